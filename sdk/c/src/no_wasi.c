/* C's library asks an operating system for files and for the end of the process. A plugin has none: what the library
 * would import is defined here, so that a component imports the contract and nothing else. What is written to stdout
 * and stderr is lost; `brewer_log` is heard. */
#include <stddef.h>
#include <stdint.h>

/* "Function not supported", as WASI numbers it. */
enum { NOT_SUPPORTED = 52 };

typedef struct {
    const uint8_t *start;
    size_t length;
} Bytes;

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) {
    (void)file;
    return NOT_SUPPORTED;
}

int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t file, int32_t status) {
    (void)file, (void)status;
    return NOT_SUPPORTED;
}

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t position) {
    (void)file, (void)offset, (void)whence, (void)position;
    return NOT_SUPPORTED;
}

/* Takes everything, so that no caller tries again. */
int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t parts, int32_t count, int32_t written) {
    (void)file;
    size_t bytes = 0;
    for (int32_t part = 0; part < count; part++) bytes += ((const Bytes *)(intptr_t)parts)[part].length;
    *(size_t *)(intptr_t)written = bytes;
    return 0;
}

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code) {
    (void)code;
    __builtin_trap();
}
