/* The running call: what it made, and its failure. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Free *free;
    uintptr_t what;
} Kept;

enum { MESSAGE_BYTES = 2048 };

static struct {
    Kept *kept;
    size_t count, capacity;
    bool failed;
    ErrorCode code;
    char message[MESSAGE_BYTES];
    /* Where the plugin is, and where it failed. */
    struct place {
        const char *file, *function;
        int line;
    } here, there;
} call;

void brewer_here(const char *file, int line, const char *function) {
    call.here = (struct place){file, function, line};
}

void keep(Free *free, uintptr_t what) {
    if (call.count == call.capacity) {
        call.capacity = call.capacity ? 2 * call.capacity : 64;
        call.kept = realloc(call.kept, call.capacity * sizeof(Kept));
        if (!call.kept) abort();
    }
    call.kept[call.count++] = (Kept){free, what};
}

/* Strikes it from what is kept; false if it is not there. */
static bool strike(Free *free, uintptr_t what) {
    /* The newest first: it is the likeliest. */
    for (size_t position = call.count; position-- > 0;) {
        if (call.kept[position].free == free && call.kept[position].what == what) {
            call.kept[position] = call.kept[--call.count];
            return true;
        }
    }
    return false;
}

int32_t give(Free *free, int32_t handle, const char *what) {
    if (!call.failed && !strike(free, (uintptr_t)handle)) {
        brewer_fail("the %s that is returned is none of this call's", what);
    }
    return call.failed ? 0 : handle;
}

static void free_memory(uintptr_t memory) {
    free((void *)memory);
}

void free_tensor(uintptr_t handle) {
    brewer_plugin_tensor_tensor_drop_own((brewer_plugin_tensor_own_tensor_t){(int32_t)handle});
}

static void free_list(uintptr_t handle) {
    brewer_plugin_tensor_tensor_list_drop_own((brewer_plugin_tensor_own_tensor_list_t){(int32_t)handle});
}

void free_batch(uintptr_t handle) {
    brewer_plugin_types_batch_drop_own((brewer_plugin_types_own_batch_t){(int32_t)handle});
}

static void free_outputs(uintptr_t handle) {
    brewer_plugin_types_outputs_drop_own((brewer_plugin_types_own_outputs_t){(int32_t)handle});
}

Tensor keep_tensor(brewer_plugin_tensor_own_tensor_t made) {
    keep(free_tensor, (uintptr_t)made.__handle);
    return (Tensor){made.__handle};
}

TensorList keep_list(brewer_plugin_tensor_own_tensor_list_t made) {
    keep(free_list, (uintptr_t)made.__handle);
    return (TensorList){made.__handle};
}

Batch keep_batch(brewer_plugin_types_own_batch_t made) {
    keep(free_batch, (uintptr_t)made.__handle);
    return (Batch){made.__handle};
}

Outputs keep_outputs(brewer_plugin_types_own_outputs_t made) {
    keep(free_outputs, (uintptr_t)made.__handle);
    return (Outputs){made.__handle};
}

void *keep_memory(void *memory) {
    keep(free_memory, (uintptr_t)memory);
    return memory;
}

const char *keep_text(contract_string_t text) {
    char *copy = malloc(text.len + 1);
    if (!copy) abort();
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    contract_string_free(&text);
    return keep_memory(copy);
}

Names keep_names(contract_list_string_t list) {
    if (list.len == 0) return (Names){NULL, 0};
    const char **names = keep_memory(malloc(list.len * sizeof *names));
    if (!names) abort();
    for (size_t position = 0; position < list.len; position++) names[position] = keep_text(list.ptr[position]);
    free(list.ptr);
    return (Names){names, list.len};
}

/* A handle that was dropped before is not kept any more, and nothing happens. */
static void drop(Free *free, int32_t handle) {
    if (strike(free, (uintptr_t)handle)) free((uintptr_t)handle);
}

void tensor_drop(Tensor tensor) {
    drop(free_tensor, tensor.handle);
}

void tensor_list_drop(TensorList list) {
    drop(free_list, list.handle);
}

void batch_drop(Batch batch) {
    drop(free_batch, batch.handle);
}

void outputs_drop(Outputs outputs) {
    drop(free_outputs, outputs.handle);
}

void brewer_free_call(void) {
    while (call.count > 0) {
        Kept kept = call.kept[--call.count];
        kept.free(kept.what);
    }
}

/* Keeps the first failure. */
static bool fail(ErrorCode code) {
    if (call.failed) return false;
    call.failed = true;
    call.code = code;
    call.there = call.here;
    return true;
}

void fail_with(brewer_plugin_tensor_error_t error) {
    if (fail((ErrorCode)error.code)) {
        snprintf(call.message, MESSAGE_BYTES, "%.*s", (int)error.message.len, (const char *)error.message.ptr);
    }
    brewer_plugin_tensor_error_free(&error);
}

void brewer_fail(const char *format, ...) {
    if (!fail(ERROR_OWN)) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call.message, MESSAGE_BYTES, format, arguments);
    va_end(arguments);
}

bool brewer_failed(void) {
    return call.failed;
}

const char *brewer_error(void) {
    return call.failed ? call.message : NULL;
}

ErrorCode brewer_error_code(void) {
    return call.code;
}

void brewer_recover(void) {
    call.failed = false;
}

bool can_ask(int32_t handle) {
    if (!call.failed && !handle) brewer_fail("an empty handle is used: it is the result of an operation that failed");
    return !call.failed;
}

bool can_ask2(int32_t first, int32_t second) {
    return can_ask(first) && can_ask(second);
}

/* The failure with the plugin's line, as the host shows those of other languages. */
static void describe_failure(contract_string_t *error) {
    char text[MESSAGE_BYTES + 512];
    int length = snprintf(text, sizeof text, "%s", call.message);
    if (call.there.file) {
        snprintf(text + length, sizeof text - (size_t)length, "\n  in the plugin:\n    %s:%d, in %s", call.there.file,
                 call.there.line, call.there.function);
    }
    contract_string_dup(error, text);
}

void begin_call(void) {
    call.failed = false;
    call.here = (struct place){0};
}

bool end_call(contract_string_t *error) {
    if (call.failed) describe_failure(error);
    brewer_free_call();
    return !call.failed;
}

Context context_of(brewer_plugin_types_context_t *context) {
    Context where = {
        .is_student = context->model.tag == BREWER_PLUGIN_TYPES_MODEL_STUDENT,
        .task = context->task.is_some ? keep_text(context->task.val) : NULL,
        .step = context->step,
    };
    if (!where.is_student) where.teacher = context->model.val.teacher;
    return where;
}
