/* What the roles of losses and schedulers share. */
#ifndef BREWER_SDK_LOSSES_H
#define BREWER_SDK_LOSSES_H

#include "call.h"
#include "brewer_losses.h"

Free free_temperature, free_kd_inputs, free_match_inputs;

#endif
