/* heap.c - sifting up and down. */
#include <stdlib.h>
#include "base/heap.h"

static void place(struct heap *h, size_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->at = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *node)
{
    while (i > 0 && h->nodes[(i - 1) / 2]->key > node->key) {
        place(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, node);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *node)
{
    size_t child;

    while ((child = 2 * i + 1) < h->n) {
        if (child + 1 < h->n && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (h->nodes[child]->key >= node->key)
            break;
        place(h, i, h->nodes[child]);
        i = child;
    }
    place(h, i, node);
}

static bool grow(struct heap *h)
{
    size_t cap = h->cap > 0 ? h->cap * 2 : 64;
    struct heap_node **nodes = reallocarray(h->nodes, cap, sizeof *nodes);

    if (nodes == NULL)
        return false;
    h->nodes = nodes;
    h->cap = cap;
    return true;
}

bool heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
    heap_remove(h, node);
    if (h->n == h->cap && !grow(h))
        return false;
    node->key = key;
    h->n++;
    sift_up(h, h->n - 1, node);
    return true;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    size_t i = node->at;
    struct heap_node *last;

    if (i-- == 0)
        return;
    node->at = 0;
    last = h->nodes[--h->n];
    if (last == node)
        return;
    if (i > 0 && h->nodes[(i - 1) / 2]->key > last->key)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->n > 0 ? h->nodes[0] : NULL;
}

void heap_free(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){ 0 };
}
