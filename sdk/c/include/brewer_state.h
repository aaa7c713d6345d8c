/* What a plugin of any role remembers from call to call, so that it survives a run that is resumed. Implement both, and say
 * `"state": true` in plugin.json. */
#ifndef BREWER_STATE_H
#define BREWER_STATE_H

#include "brewer.h"

typedef struct {
    const void *data;
    size_t size;
} Bytes;

/* The plugin's memory as bytes, at each checkpoint. The host copies them. */
Bytes save_state(void);
/* Makes the memory again what it was when these bytes were saved. They are gone when it returns. */
void restore_state(Bytes bytes);

#endif
