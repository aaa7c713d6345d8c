/* The running call: what it made, its failure, and the export that the host calls. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { OWN_TENSOR, OWN_LIST, OWN_MEMORY } Ownership;

typedef struct {
    Ownership ownership;
    union {
        int32_t handle;
        void *memory;
    };
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

static void keep(Kept kept) {
    if (call.count == call.capacity) {
        call.capacity = call.capacity ? 2 * call.capacity : 64;
        call.kept = realloc(call.kept, call.capacity * sizeof(Kept));
        if (!call.kept) abort();
    }
    call.kept[call.count++] = kept;
}

Tensor keep_tensor(brewer_plugin_tensor_own_tensor_t made) {
    keep((Kept){.ownership = OWN_TENSOR, .handle = made.__handle});
    return (Tensor){made.__handle};
}

TensorList keep_list(brewer_plugin_tensor_own_tensor_list_t made) {
    keep((Kept){.ownership = OWN_LIST, .handle = made.__handle});
    return (TensorList){made.__handle};
}

void *keep_memory(void *memory) {
    keep((Kept){.ownership = OWN_MEMORY, .memory = memory});
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

static void let_go(Kept kept) {
    switch (kept.ownership) {
    case OWN_TENSOR:
        brewer_plugin_tensor_tensor_drop_own((brewer_plugin_tensor_own_tensor_t){kept.handle});
        break;
    case OWN_LIST:
        brewer_plugin_tensor_tensor_list_drop_own((brewer_plugin_tensor_own_tensor_list_t){kept.handle});
        break;
    case OWN_MEMORY:
        free(kept.memory);
        break;
    }
}

static void drop(Ownership ownership, int32_t handle) {
    /* The newest first: it is the likeliest. A handle that was dropped before is not found, and nothing happens. */
    for (size_t position = call.count; position-- > 0;) {
        Kept kept = call.kept[position];
        if (kept.ownership == ownership && kept.handle == handle) {
            let_go(kept);
            call.kept[position] = call.kept[--call.count];
            return;
        }
    }
}

void tensor_drop(Tensor tensor) {
    drop(OWN_TENSOR, tensor.handle);
}

void tensor_list_drop(TensorList list) {
    drop(OWN_LIST, list.handle);
}

void brewer_free_call(void) {
    while (call.count > 0) let_go(call.kept[--call.count]);
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

bool exports_brewer_plugin_adaptor_adapt(exports_brewer_plugin_adaptor_context_t *context,
                                         exports_brewer_plugin_adaptor_own_batch_t batch,
                                         exports_brewer_plugin_adaptor_own_outputs_t outputs,
                                         exports_brewer_plugin_adaptor_own_features_t *made,
                                         contract_string_t *error) {
    call.failed = false;
    call.here = (struct place){0};
    *made = brewer_plugin_types_constructor_features();
    Context where = {
        .is_student = context->model.tag == BREWER_PLUGIN_TYPES_MODEL_STUDENT,
        .task = context->task.is_some ? keep_text(context->task.val) : NULL,
        .step = context->step,
    };
    if (!where.is_student) where.teacher = context->model.val.teacher;
    adapt(where, (Batch){batch.__handle}, (Outputs){outputs.__handle}, (Features){made->__handle});
    if (call.failed) {
        describe_failure(error);
        brewer_plugin_types_features_drop_own(*made);
    }
    brewer_free_call();
    brewer_plugin_types_batch_drop_own(batch);
    brewer_plugin_types_outputs_drop_own(outputs);
    return !call.failed;
}
