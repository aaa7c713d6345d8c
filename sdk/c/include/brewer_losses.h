/* The roles of losses and schedulers, and what they are given. brewer.h is the reference of all else. */
#ifndef BREWER_LOSSES_H
#define BREWER_LOSSES_H

#include "brewer.h"

/* What logits are divided by before the softmax: one number, or one for each row of logits. */
typedef struct {
    int32_t handle;
} Temperature;

/* What a KD loss compares. */
typedef struct {
    int32_t handle;
} KdInputs;

/* What a match loss compares: as many layers of either side as `match_num_layers` says. */
typedef struct {
    int32_t handle;
} MatchInputs;

/* ---- Roles: implement the function of the one that the plugin has ---- */

/* A KD loss: one number for each row, [rows], or a tensor of one element, which an experiment with `kd_chunk_rows` refuses;
 * computed from the student's logits, through which it is differentiated. */
Tensor kd_loss(KdInputs inputs);

/* A match loss: a tensor of one element, computed from the student's layers. */
Tensor match_loss(MatchInputs inputs);
/* How many layers of each side it takes: 1, unless you implement this too. It may read the configuration. */
size_t match_num_layers(void);

/* A temperature scheduler. Student and teacher are logits [rows, classes], `base` is the experiment's `temperature`. */
Temperature choose(Tensor student, Tensor teacher, double base);

/* A weight scheduler. `progress` is the share of optimizer steps done, from 0 on. */
double weight(double progress);

/* ---- Temperature ---- */

/* One number above 0 for all rows. */
Temperature temperature_new(double value);
/* One for each row of logits [rows, classes]: a floating-point tensor [rows], all above 0. */
Temperature temperature_per_example(Tensor values);
/* One for each row, [rows]; a FLOAT64 scalar if it is one number for all. */
Tensor temperature_values(Temperature self);
/* Whether it is one number for all rows, which is then written to `value`. */
bool temperature_value(Temperature self, double *value);
/* Logits [rows, classes] divided by it. */
Tensor temperature_soften(Temperature self, Tensor logits);

/* ---- Inputs ---- */

/* Logits before any softmax, [rows, classes]. A row is an example or a position of one; positions that a mask of logits left
 * out are not there. The teacher's have no gradient. */
Tensor kd_student(KdInputs inputs);
Tensor kd_teacher(KdInputs inputs);
Temperature kd_temperature(KdInputs inputs);
/* The labels of the rows, INT64 [rows]: -100 where a row has none. Where a model may find several classes in an example, or
   predicts numbers: FLOAT32, NaN where a row has none. Reading them fails if there are none. */
bool kd_has_labels(KdInputs inputs);
Tensor kd_labels(KdInputs inputs);

/* Hidden states [batch, length, hidden] or attention maps [batch, heads, length, length], the student's after the
 * projection. The teacher's have no gradient. */
TensorList match_student(MatchInputs inputs);
TensorList match_teacher(MatchInputs inputs);
/* [batch, length], 1 for tokens and 0 for padding. Reading it fails if there is none; then every position counts. */
bool match_has_mask(MatchInputs inputs);
Tensor match_mask(MatchInputs inputs);

#ifndef BREWER_NO_LINES

#define temperature_new(...) BREWER_HERE(temperature_new, __VA_ARGS__)
#define temperature_per_example(...) BREWER_HERE(temperature_per_example, __VA_ARGS__)
#define temperature_values(...) BREWER_HERE(temperature_values, __VA_ARGS__)
#define temperature_value(...) BREWER_HERE(temperature_value, __VA_ARGS__)
#define temperature_soften(...) BREWER_HERE(temperature_soften, __VA_ARGS__)
#define kd_student(...) BREWER_HERE(kd_student, __VA_ARGS__)
#define kd_teacher(...) BREWER_HERE(kd_teacher, __VA_ARGS__)
#define kd_temperature(...) BREWER_HERE(kd_temperature, __VA_ARGS__)
#define kd_labels(...) BREWER_HERE(kd_labels, __VA_ARGS__)
#define match_student(...) BREWER_HERE(match_student, __VA_ARGS__)
#define match_teacher(...) BREWER_HERE(match_teacher, __VA_ARGS__)
#define match_mask(...) BREWER_HERE(match_mask, __VA_ARGS__)

#endif
#endif
