/* list.h - a doubly linked ring threaded through its members.
 *
 * A `struct list` is both the head and the link inside each member. The head
 * of an empty list points to itself; list_init() makes it so. Taking a member
 * out leaves its link empty, so taking it out twice is harmless.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* the structure of `type` whose field `member` is the link `node` */
#define LIST_OWNER(node, type, member) \
    ((type *)(void *)((char *)(node) - offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* list_push - put node at the end */
static inline void list_push(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_push(head->next, node);
}

static inline void list_remove(struct list *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* list_pop - take out the first member's link; NULL when empty */
static inline struct list *list_pop(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}
