/* throttle.c - for each key the moment when all its failures have leaked away. */
#include <stdio.h>
#include <stdlib.h>
#include "base/ip.h"
#include "base/map.h"
#include "vault/throttle.h"

enum kind { CLIENT, ACCOUNT, BOTH, GOOD, KINDS };
enum { WAYS = 8, WAIT_FIRST = 500, WAIT_MOST = 8000 };

static const int64_t good_for = 30LL * 24 * 3600 * 1000;

bool throttle_begin(struct throttle *t, struct throttle_rate client, struct throttle_rate account)
{
    *t = (struct throttle){ .client = client, .account = account, .both = client };
    t->slots = calloc((size_t)KINDS * THROTTLE_SLOTS, sizeof *t->slots);
    return t->slots != NULL;
}

void throttle_end(struct throttle *t)
{
    free(t->slots);
    *t = (struct throttle){ 0 };
}

/* place_of - an IPv6 client owns its /64; all others are who they are */

static struct slice place_of(struct slice client, char text[IP_TEXT])
{
    struct ip ip;

    if (!ip_parse(client, &ip) || ip.family != 6)
        return client;
    memset(ip.bytes + 8, 0, 8);
    return slice_cstr(ip_text(&ip, text));
}

static uint64_t key_of(enum kind kind, struct slice client, struct slice account)
{
    char text[700], place[IP_TEXT];
    uint64_t key;
    int n;

    client = kind == ACCOUNT ? (struct slice){ 0 } : place_of(client, place);
    account = kind == CLIENT ? (struct slice){ 0 } : account;
    n = snprintf(text, sizeof text, "%d %.*s %.*s", kind, SLICE(slice_first(client, 256)),
                 SLICE(slice_first(account, 256)));
    key = hash_keyed(slice_of(text, (size_t)n));
    return key != 0 ? key : 1;
}

static struct throttle_slot *ways_of(const struct throttle *t, enum kind kind, uint64_t key)
{
    size_t set = key % (THROTTLE_SLOTS / WAYS);

    return t->slots + (size_t)kind * THROTTLE_SLOTS + set * WAYS;
}

/* until - what is left of a key's failures, as the moment when it is gone; at least now */

static int64_t until(const struct throttle *t, enum kind kind, uint64_t key, int64_t now)
{
    const struct throttle_slot *ways = ways_of(t, kind, key);

    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].key == key && ways[i].until > now)
            return ways[i].until;
    return now;
}

/* set_until - in the key's own slot, or in that which would be empty first */

static void set_until(struct throttle *t, enum kind kind, uint64_t key, int64_t when)
{
    struct throttle_slot *ways = ways_of(t, kind, key), *to = &ways[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (ways[i].key == key) {
            to = &ways[i];
            break;
        }
        if (ways[i].until < to->until)
            to = &ways[i];
    }
    *to = (struct throttle_slot){ .key = key, .until = when };
}

static int64_t each(struct throttle_rate rate)
{
    return rate.per / rate.many > 0 ? rate.per / rate.many : 1;
}

static bool below(const struct throttle *t, enum kind kind, uint64_t key, struct throttle_rate rate,
                  int64_t now)
{
    return until(t, kind, key, now) - now <= (rate.many - 1) * each(rate);
}

static int64_t count(struct throttle *t, enum kind kind, uint64_t key, struct throttle_rate rate,
                     int64_t now)
{
    int64_t when = until(t, kind, key, now) + each(rate);

    set_until(t, kind, key, when);
    return (when - now) / each(rate);
}

bool throttle_allows(const struct throttle *t, struct slice client, struct slice account, int64_t now)
{
    if (!below(t, BOTH, key_of(BOTH, client, account), t->both, now))
        return false;
    if (until(t, GOOD, key_of(GOOD, client, account), now) > now)
        return true;
    return below(t, CLIENT, key_of(CLIENT, client, account), t->client, now)
        && below(t, ACCOUNT, key_of(ACCOUNT, client, account), t->account, now);
}

int64_t throttle_failed(struct throttle *t, struct slice client, struct slice account, int64_t now)
{
    int64_t n = count(t, CLIENT, key_of(CLIENT, client, account), t->client, now);
    int64_t wait = WAIT_FIRST;

    count(t, ACCOUNT, key_of(ACCOUNT, client, account), t->account, now);
    count(t, BOTH, key_of(BOTH, client, account), t->both, now);
    while (--n > 0 && wait < WAIT_MOST)
        wait *= 2;
    return wait;
}

void throttle_succeeded(struct throttle *t, struct slice client, struct slice account, int64_t now)
{
    set_until(t, GOOD, key_of(GOOD, client, account), now + good_for);
}
