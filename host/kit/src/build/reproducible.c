// Loaded (LD_PRELOAD) into the tools that run a plugin's interpreter while they build it and keep its memory: Python's and
// JavaScript's. What such a tool sees of the machine would be in that memory, and no two builds would be the same bytes.
// Here the library of the tool, and it alone, is given the same random bytes and the same time at every call. From the
// first folder that it makes on, the whole process sees files without times, numbers and places, and folders in the order
// of their names. Those calls are made without the C library, so the kernel hands them over (seccomp).

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    NOW = 946684800, // 2000-01-01
    // The sixth argument of our own calls, which none of them has: the filter lets them through.
    OURS = 0x42524557,
    OPEN_FOLDERS = 256,
    FOLDER_BYTES = 1 << 22,
};

static long kernel(long number, long a, long b, long c, long d, long e) {
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = OURS;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

// The same bytes at every call, so that threads cannot change their order. (A linear congruential generator, Knuth's.)
static void same_bytes(void *to, size_t count) {
    uint64_t state = 0;
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)to)[i] = state >> 56;
    }
}

static void same_stat(struct stat *stat) {
    stat->st_dev = stat->st_ino = stat->st_nlink = 1;
    stat->st_blksize = 4096;
    stat->st_blocks = 8;
    if (S_ISDIR(stat->st_mode)) stat->st_size = 4096;
    stat->st_atim = stat->st_mtim = stat->st_ctim = (struct timespec){.tv_sec = NOW};
}

static void same_statx(struct statx *stat) {
    stat->stx_dev_major = 0;
    stat->stx_dev_minor = stat->stx_ino = stat->stx_nlink = 1;
    stat->stx_blksize = 4096;
    stat->stx_blocks = 8;
    if (S_ISDIR(stat->stx_mode)) stat->stx_size = 4096;
    stat->stx_atime = stat->stx_mtime = stat->stx_ctime = (struct statx_timestamp){.tv_sec = NOW};
    stat->stx_btime = stat->stx_mtime;
}

// A folder that is being read, by its file descriptor: all of its entries, sorted.
static struct folder {
    char *entries;
    long size, next;
} folders[OPEN_FOLDERS];
static atomic_flag reading = ATOMIC_FLAG_INIT;

static struct dirent64 *entry(char *at) { return (struct dirent64 *)at; }

// Bubble sort: entries differ in length, and neighbours can be exchanged in place.
static void sort(char *entries, long size) {
    for (int moved = 1; moved;) {
        moved = 0;
        for (char *left = entries, *right; right = left + entry(left)->d_reclen, right < entries + size;) {
            if (strcmp(entry(left)->d_name, entry(right)->d_name) <= 0) {
                left = right;
                continue;
            }
            char kept[sizeof(struct dirent64) + 8];
            long left_size = entry(left)->d_reclen, right_size = entry(right)->d_reclen;
            memcpy(kept, left, left_size);
            memmove(left, right, right_size);
            left += right_size;
            memcpy(left, kept, left_size);
            moved = 1;
        }
    }
}

// Reads what a folder has left, up to the size of its place, and sorts it.
static long fill(struct folder *folder, long descriptor) {
    if (!folder->entries) {
        void *place = mmap(NULL, FOLDER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED) return -ENOMEM;
        folder->entries = place;
    }
    folder->size = folder->next = 0;
    while (FOLDER_BYTES - folder->size > (long)sizeof(struct dirent64)) {
        long read = kernel(SYS_getdents64, descriptor, (long)folder->entries + folder->size, FOLDER_BYTES - folder->size, 0, 0);
        if (read < 0) return read;
        if (read == 0) break;
        folder->size += read;
    }
    if (folder->size == 0) return 0;
    for (char *at = folder->entries; at < folder->entries + folder->size; at += entry(at)->d_reclen) entry(at)->d_ino = 1;
    sort(folder->entries, folder->size);
    return folder->size;
}

static long read_folder(long descriptor, char *to, long room) {
    if (descriptor < 0 || descriptor >= OPEN_FOLDERS) return kernel(SYS_getdents64, descriptor, (long)to, room, 0, 0);
    struct folder *folder = &folders[descriptor];
    // At its beginning it is another folder of the same number, or is read again.
    int begins = kernel(SYS_lseek, descriptor, 0, SEEK_CUR, 0, 0) == 0;
    if (begins || folder->next == folder->size) {
        long left = fill(folder, descriptor);
        if (left <= 0) return left;
    }
    long taken = 0;
    while (folder->next < folder->size) {
        struct dirent64 *next = entry(folder->entries + folder->next);
        if (taken + next->d_reclen > room) return taken > 0 ? taken : -EINVAL;
        memcpy(to + taken, next, next->d_reclen);
        taken += next->d_reclen;
        folder->next += next->d_reclen;
    }
    return taken;
}

// Does what the kernel was asked for, and changes what it says.
static void answer(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *of = ((ucontext_t *)context)->uc_mcontext.gregs;
    long number = info->si_syscall;
    if (number == SYS_getrandom) {
        same_bytes((void *)of[REG_RDI], of[REG_RSI]);
        of[REG_RAX] = of[REG_RSI];
        return;
    }
    if (number == SYS_getdents64) {
        while (atomic_flag_test_and_set(&reading)) {}
        of[REG_RAX] = read_folder(of[REG_RDI], (char *)of[REG_RSI], of[REG_RDX]);
        atomic_flag_clear(&reading);
        return;
    }
    long result = kernel(number, of[REG_RDI], of[REG_RSI], of[REG_RDX], of[REG_R10], of[REG_R8]);
    of[REG_RAX] = result;
    if (result < 0) return;
    if (number == SYS_statx) same_statx((struct statx *)of[REG_R8]);
    else same_stat((struct stat *)(number == SYS_newfstatat ? of[REG_RDX] : of[REG_RSI]));
}

#define HAND_OVER(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

static void hide_files(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OURS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        HAND_OVER(SYS_getrandom),
        HAND_OVER(SYS_getdents64),
        HAND_OVER(SYS_stat),
        HAND_OVER(SYS_lstat),
        HAND_OVER(SYS_fstat),
        HAND_OVER(SYS_newfstatat),
        HAND_OVER(SYS_statx),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
    // For the threads that there are already, too.
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        kernel(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, (long)&program, 0, 0)) {
        // The words that `reproducible.rs` looks for.
        fputs("not reproducible: the system refuses filters of system calls (seccomp)\n", stderr);
    }
}

// Whether code at this address is a tool's own library: componentize_py.abi3.so, componentize-qjs.….node.
static int is_tool(void *address) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return 0;
    const char *slash = strrchr(info.dli_fname, '/');
    return strncmp(slash ? slash + 1 : info.dli_fname, "componentize", strlen("componentize")) == 0;
}

#define CALLED_BY_TOOL is_tool(__builtin_return_address(0))
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t getrandom(void *to, size_t count, unsigned flags) {
    if (!CALLED_BY_TOOL) return NEXT(getrandom)(to, count, flags);
    same_bytes(to, count);
    return count;
}

long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long of[6];
    for (int i = 0; i < 6; i++) of[i] = va_arg(list, long);
    va_end(list);
    if (number != SYS_getrandom || !CALLED_BY_TOOL) {
        return NEXT(syscall)(number, of[0], of[1], of[2], of[3], of[4], of[5]);
    }
    same_bytes((void *)of[0], of[1]);
    return of[1];
}

int clock_gettime(clockid_t clock, struct timespec *to) {
    if (!CALLED_BY_TOOL) return NEXT(clock_gettime)(clock, to);
    // Clocks that only measure stand where they are: what waits for one compares it with the kernel's.
    static struct timespec first;
    static atomic_flag asked = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&asked)) NEXT(clock_gettime)(CLOCK_MONOTONIC, &first);
    *to = clock == CLOCK_REALTIME ? (struct timespec){.tv_sec = NOW} : first;
    return 0;
}

int mkdir(const char *path, mode_t mode) {
    static atomic_flag hidden = ATOMIC_FLAG_INIT;
    if (CALLED_BY_TOOL && !atomic_flag_test_and_set(&hidden)) hide_files();
    return NEXT(mkdir)(path, mode);
}
