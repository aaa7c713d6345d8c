/* The C library's random numbers. Its own sequence would be the same in every run: rand follows from the run's seed as
   brewer_random does, and after srand from that number alone, as elsewhere. */
#include <stdbool.h>
#include <stdlib.h>

#include "brewer.h"

static bool is_seeded;
static uint64_t state;

void srand(unsigned seed) {
    is_seeded = true;
    state = seed;
}

int rand(void) {
    if (!is_seeded) return (int)(brewer_random_u64() >> 33);
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)(state >> 33);
}
