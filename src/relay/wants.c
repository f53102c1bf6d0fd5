/* wants.c - parameters of the envelope as values. */
#include "relay/wants.h"

/* signed_take - the number in front of a blank, or all of it */

static bool signed_take(struct slice *s, int64_t *value)
{
    struct slice head, rest;
    bool minus = s->n > 0 && s->p[0] == '-';
    uint64_t n;

    slice_cut(slice_from(*s, minus), ' ', &head, &rest);
    if (!slice_u64(head, &n) || n > INT64_MAX / 2)
        return false;
    *value = minus ? -(int64_t)n : (int64_t)n;
    *s = rest;
    return true;
}

/* floor_seconds - whole seconds, downwards: a promise must not become longer */

static int64_t floor_seconds(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

bool want_by(struct slice extra, int64_t wall, struct want_by *by)
{
    struct slice value;
    int64_t deadline;

    if (!extra_get(extra, EXTRA_BY, &value) || !signed_take(&value, &deadline) || value.n == 0
        || (value.p[0] != 'R' && value.p[0] != 'N'))
        return false;
    by->seconds = floor_seconds(deadline - wall);
    by->mode = value.p[0];
    by->trace = value.n > 1 && value.p[1] == 'T';
    return true;
}

bool want_rrvs(struct slice extra, struct want_rrvs *r)
{
    struct slice value;

    if (!extra_get(extra, EXTRA_RRVS, &value) || !signed_take(&value, &r->since))
        return false;
    r->action = value.n > 0 && (value.p[0] == 'C' || value.p[0] == 'R') ? value.p[0] : '\0';
    return true;
}

bool want_rrvs_insists(struct slice extra)
{
    struct want_rrvs r;

    return want_rrvs(extra, &r) && r.action != 'C';
}
