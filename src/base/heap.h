/* heap.h - a binary heap of things with a due time, smallest first.
 *
 * Members carry their own node, so removing one from the middle is cheap and
 * a heap of a million members is one array of pointers.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;        /* what it is ordered by, e.g. milliseconds */
    size_t  at;         /* place in the array plus one; 0: in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t             n, cap;
};

/* heap_insert - add node under key; a node already there moves. False: no memory. */
bool heap_insert(struct heap *h, struct heap_node *node, int64_t key);

/* heap_remove - take node out; harmless when it is in no heap */
void heap_remove(struct heap *h, struct heap_node *node);

/* heap_top - the node with the smallest key, or NULL */
struct heap_node *heap_top(const struct heap *h);

void heap_free(struct heap *h);
