/* A weight that falls from 1 to 0 in the course of the run. */
#include <brewer_losses.h>

double weight(double progress) {
    return 1 - progress;
}
