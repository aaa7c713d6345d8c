/* Write plugins for Brewer in C. README.md beside this folder is the guide.
 *
 * An operation that cannot be done fails the call: its first error is kept, with the line it happened on, and every
 * later operation does nothing and returns an empty handle. So calls nest, and nothing needs a check; when the plugin
 * returns, the SDK reports the error in place of its result.
 *
 * All handles and all memory that these functions return are freed when the call ends. Keep numbers between calls, not
 * handles or pointers. */
#ifndef BREWER_H
#define BREWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tensor that the host holds. No function changes it. */
typedef struct {
    int32_t handle;
} Tensor;

/* Tensors in order. A list of a model's outputs is lazy: a tensor of it is read when it is taken out. */
typedef struct {
    int32_t handle;
} TensorList;

/* The batch that the model was called with: tensors by name. The first dimension of each is the batch. */
typedef struct {
    int32_t handle;
} Batch;

/* What the model returned, by Hugging Face's names. What no plugin and no loss reads is not computed. */
typedef struct {
    int32_t handle;
} Outputs;

/* What an adaptor returns, under TextBrewer's keys. Each may be left empty, not all of them. */
typedef struct {
    int32_t handle;
} Features;

/* Where in a run a call happens. */
typedef struct {
    bool is_student;
    /* The index of the teacher, 0 when there is one or for the student. */
    uint32_t teacher;
    /* The task's name where the experiment has several, NULL otherwise. */
    const char *task;
    /* The forward step, counted from 0. */
    uint64_t step;
} Context;

/* ---- Roles: implement the function of the one that the plugin has. Those of losses and schedulers are in
 * brewer_losses.h, a callback's in brewer_callback.h, and what a plugin remembers is in brewer_state.h ---- */

/* An adaptor. `features` comes empty. */
void adapt(Context context, Batch batch, Outputs outputs, Features features);
/* A batch post-processor: returns `batch`, changed, or another. */
Batch process(Context context, Batch batch);

/* ---- Errors ---- */

typedef enum {
    ERROR_BAD_DIMENSION,
    ERROR_BAD_SHAPE,
    ERROR_BAD_KIND,
    ERROR_BAD_ARGUMENT,
    ERROR_NOT_FOUND,
    ERROR_NOT_COMPUTED,
    ERROR_NOT_PERMITTED,
    ERROR_OVER_LIMIT,
    ERROR_RELEASED,
    ERROR_FAILED,
    /* The plugin's own, from `brewer_fail`. */
    ERROR_OWN,
} ErrorCode;

/* Fails the call with a message of your own, as printf writes it. The first failure counts. */
void brewer_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether the call has failed. */
bool brewer_failed(void);
/* The message of the failure, NULL if there is none, and its code. */
const char *brewer_error(void);
ErrorCode brewer_error_code(void);
/* Forgets the failure: operations work again. */
void brewer_recover(void);

/* ---- What surrounds the plugin ---- */

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } Level;

/* The point of a run at which a call is made. */
typedef struct {
    /* The forward step, counted from 0. */
    uint64_t step;
    /* The optimizer steps that are done. */
    uint64_t global_step;
    /* The epoch, counted from 0. */
    uint64_t epoch;
    /* The share of the run's optimizer steps that are done, in 0..1. */
    double progress;
    /* The task's name where the experiment has several, NULL otherwise. */
    const char *task;
    /* Whether the call is about the student alone, or about the teacher of that index. Neither in a role that is called for
     * both together. */
    bool is_student, is_teacher;
    uint32_t teacher;
} Step;

/* The point of the run at which the call is made, in every role. Everything is 0 or NULL in save_state, restore_state and
 * match_num_layers. */
Step brewer_step(void);
/* Writes a message to the run's log, as printf writes it. */
void brewer_log(Level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 64 random bits. They follow from the experiment's seed, the model, the task and the step. Two instances of one role, as two
 * KD losses are, draw the same numbers at a step. */
uint64_t brewer_random_u64(void);
/* A random number in 0..1, 1 excluded, from the same sequence; rand() is another. */
double brewer_random(void);

/* The plugin's `config` in the experiment, as JSON. The others read one key of it, or give `fallback` if it is not there
 * or of another type. `config_value` gives the JSON of the key's value, NULL if it is not there. */
const char *config_json(void);
const char *config_value(const char *key);
const char *config_string(const char *key, const char *fallback);
double config_number(const char *key, double fallback);
bool config_bool(const char *key, bool fallback);

/* ---- Handles ---- */

/* Drops a handle before the call ends, to stay below the limit on live handles. */
void tensor_drop(Tensor tensor);
void tensor_list_drop(TensorList list);
void batch_drop(Batch batch);
void outputs_drop(Outputs outputs);
/* Drops all handles and frees all memory of the call. The SDK calls it when the plugin has returned. */
void brewer_free_call(void);

/* ---- Batch, outputs, features ---- */

/* Names in order. */
typedef struct {
    const char **names;
    size_t count;
} Names;

Names batch_names(Batch batch);
bool batch_has(Batch batch, const char *name);
/* Fails if there is none of that name. */
Tensor batch_tensor(Batch batch, const char *name);
/* An empty batch. */
Batch batch_new(void);
/* Puts a tensor in, in place of one of that name. */
void batch_insert(Batch batch, const char *name, Tensor tensor);
/* Fails if there is none of that name. */
void batch_remove(Batch batch, const char *name);

Names outputs_names(Outputs outputs);
bool outputs_has(Outputs outputs, const char *name);
/* Reads the tensor `name`; fails if there is none. */
Tensor outputs_tensor(Outputs outputs, const char *name);
/* The list `name` (`hidden_states`, `attentions`) without reading any of it; fails if there is none. */
TensorList outputs_list(Outputs outputs, const char *name);

/* [batch, labels] or [batch, length, labels], before any softmax. */
void features_push_logits(Features features, Tensor logits);
/* [batch, length], 1 where logits of [batch, length, labels] count: one for all logits, or one for each. */
void features_push_logits_mask(Features features, Tensor mask);
/* Integers, [batch] or [batch, length]: the labels of the logits at the same position. */
void features_push_labels(Features features, Tensor labels);
/* Of any shape; its mean is added to the total. */
void features_push_loss(Features features, Tensor loss);
/* [batch, length, hidden]; a match selects them by position. */
void features_push_hidden(Features features, Tensor hidden);
void features_extend_hidden(Features features, TensorList hidden);
/* [batch, heads, length, length]; a match selects them by position. */
void features_push_attention(Features features, Tensor attention);
void features_extend_attention(Features features, TensorList attention);
/* [batch, length], 1 for tokens and 0 for padding: the mask of every match. */
void features_set_inputs_mask(Features features, Tensor mask);

/* ---- Numbers and shapes as arguments ---- */

/* A number: `scalar(1)`, `scalar(0.5)`. As in PyTorch a floating-point number makes a tensor of integers float32.
 * Functions below that take a Scalar also take a plain number. */
typedef struct {
    bool is_int;
    union {
        double number;
        int64_t integer;
    };
} Scalar;

/* A shape or dimensions: `shape(2, -1)`, `dims(0, 1)`. `dims()` is all dimensions of a reduction, `shape()` a scalar's. */
typedef struct {
    const int64_t *sizes;
    size_t count;
} Shape;

typedef Shape Dims;

#define shape(...) \
    ((Shape){(const int64_t[]){0, __VA_ARGS__} + 1, sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t) - 1})
#define dims(...) shape(__VA_ARGS__)

typedef enum {
    FLOAT16,
    BFLOAT16,
    FLOAT32,
    FLOAT64,
    UINT8,
    INT8,
    INT16,
    INT32,
    INT64,
    BOOLEAN,
} Kind;

/* ---- Tensors: PyTorch's semantics. Shapes broadcast, kinds promote, a negative dimension counts from the end. What can be
 * computed with them is in brewer_operations.h ---- */

Shape tensor_shape(Tensor self);
/* The number of dimensions; the number of elements; the kind of the elements. */
size_t tensor_rank(Tensor self);
int64_t tensor_numel(Tensor self);
Kind tensor_kind(Tensor self);

/* ---- Lists of tensors ---- */

TensorList tensor_list_new(void);
size_t tensor_list_len(TensorList self);
/* Reads the tensor at a position. */
Tensor tensor_list_get(TensorList self, size_t index);
void tensor_list_push(TensorList self, Tensor tensor);
/* The positions `start..start + length`, without reading them. */
TensorList tensor_list_narrow(TensorList self, size_t start, size_t length);
/* Joined along a dimension that the tensors have; along a new one. */
Tensor tensor_list_cat(TensorList self, int64_t dim);
Tensor tensor_list_stack(TensorList self, int64_t dim);

/* What becomes of the single losses. */
typedef enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM } Reduction;

/* ---- Elements: the experiment must permit reading (`read-values`) ---- */

/* `count` elements from element `start` on, in row-major order; NULL after a failure. */
const float *tensor_read_f32(Tensor self, uint64_t start, uint64_t count);
const int64_t *tensor_read_s64(Tensor self, uint64_t start, uint64_t count);
const bool *tensor_read_bool(Tensor self, uint64_t start, uint64_t count);
/* A FLOAT32, INT64 or BOOLEAN tensor of `count` elements in row-major order. */
Tensor tensor_of_f32(const float *elements, size_t count, Shape shape);
Tensor tensor_of_s64(const int64_t *elements, size_t count, Shape shape);
Tensor tensor_of_bool(const bool *elements, size_t count, Shape shape);

#include "brewer_lines.h"
#include "brewer_operations.h"

#endif
