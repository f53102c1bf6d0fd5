/* cfws.c - comments are counted, not recursed into. */
#include "base/cfws.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* comment_skip - "(...)" with others inside; false: it has no end */

static bool comment_skip(struct slice *s)
{
    size_t depth = 0, i;

    for (i = 0; i < s->n; i++) {
        if (s->p[i] == '\\')
            i++;
        else if (s->p[i] == '(')
            depth++;
        else if (s->p[i] == ')' && --depth == 0)
            break;
    }
    if (i >= s->n)
        return false;
    *s = slice_from(*s, i + 1);
    return true;
}

bool cfws_skip(struct slice *s)
{
    while (s->n > 0 && (is_blank(s->p[0]) || s->p[0] == '('))
        if (s->p[0] != '(')
            *s = slice_from(*s, 1);
        else if (!comment_skip(s))
            return false;
    return true;
}
