/* The role of a callback: what happens at a checkpoint, and what it may ask for. brewer.h is the reference of all else. */
#ifndef BREWER_CALLBACK_H
#define BREWER_CALLBACK_H

#include "brewer.h"

typedef enum {
    ACTION_CONTINUE,
    /* The run ends here as if it had finished. */
    ACTION_STOP,
} Action;

/* Implement this function. It is called after each checkpoint; `step` is the number of optimizer steps done. */
Action on_checkpoint(uint64_t step);

/* ---- The student, to look at and to run ---- */

/* In TRAIN dropout is active. */
typedef enum { MODE_TRAIN, MODE_EVAL } Mode;

/* Runs the student on a batch, without gradients. The names of the outputs to compute follow: "logits", "loss",
 * "hidden_states", ... */
#define model_forward(batch, mode, ...) \
    model_forward_names(batch, mode, (Names){(const char *[]){__VA_ARGS__}, \
                                             sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)})
Outputs model_forward_names(Batch batch, Mode mode, Names wanted);

/* The names of all parameters, as in the checkpoint, and the shape of one. The experiment must permit it: `parameters`. */
Names model_parameter_names(void);
Shape model_parameter_shape(const char *name);

/* The elements of a parameter in numbers: `std` divides by their number, `norm` is Euclidean. The experiment must permit it:
 * `parameters`. */
typedef struct {
    double mean, std, norm, min, max;
    uint64_t count;
} Statistics;

Statistics model_parameter_statistics(const char *name);

/* ---- The data of the experiment, which must permit it (`dataset`) ---- */

/* `train`, `dev`. */
Names dataset_splits(void);
size_t dataset_num_batches(const char *split);
/* A batch, counted from 0. Drop what you have read, with `batch_drop`, where there is much. */
Batch dataset_read_batch(const char *split, size_t index);

/* ---- The numbers of the checkpoint ---- */

/* What was reported so far: by the evaluation (`dev_loss`, `dev_accuracy`), by other callbacks, and by this one. */
Names metrics_names(void);
double metrics_value(const char *name);
/* Reports a finite number; it lands in metrics.jsonl and on the progress line. */
void metrics_report(const char *name, double value);

#ifndef BREWER_NO_LINES

#define model_forward_names(...) BREWER_HERE(model_forward_names, __VA_ARGS__)
#define model_parameter_names() (brewer_here(__FILE_NAME__, __LINE__, __func__), model_parameter_names())
#define model_parameter_shape(...) BREWER_HERE(model_parameter_shape, __VA_ARGS__)
#define model_parameter_statistics(...) BREWER_HERE(model_parameter_statistics, __VA_ARGS__)
#define dataset_splits() (brewer_here(__FILE_NAME__, __LINE__, __func__), dataset_splits())
#define dataset_num_batches(...) BREWER_HERE(dataset_num_batches, __VA_ARGS__)
#define dataset_read_batch(...) BREWER_HERE(dataset_read_batch, __VA_ARGS__)
#define metrics_names() (brewer_here(__FILE_NAME__, __LINE__, __func__), metrics_names())
#define metrics_value(...) BREWER_HERE(metrics_value, __VA_ARGS__)
#define metrics_report(...) BREWER_HERE(metrics_report, __VA_ARGS__)

#endif
#endif
