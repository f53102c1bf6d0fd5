/* cut.c - what the next flush has to say first about those that failed.
 *
 * A segment whose write or sync failed is abandoned where its last good flush
 * ended. The next flush goes to a fresh segment and begins with a CUT, which
 * tells recovery that the abandoned one ends there, whatever it holds: what
 * was answered "later" does not come back.
 */
#include "spool/inside.h"

/* cut_add - remember what the next flush has to say first. Without memory the
 * worst is that mail comes back which its client will send again. */

void cut_add(struct journal *j, struct journal_place place, uint64_t orphan)
{
    struct cut *cuts = grown(j->cuts, j->ncuts, &j->cut_cap, sizeof *cuts);

    if (cuts == NULL)
        return;
    j->cuts = cuts;
    j->cuts[j->ncuts++] = (struct cut){ place, orphan };
}

void cuts_done(struct journal *j)
{
    char name[NAME_MAX_BYTES];

    for (size_t i = 0; i < j->ncuts; i++)
        if (j->cuts[i].orphan != 0)
            j->disk->unlink(j->disk->ctx, large_name(j->cuts[i].orphan, name));
    j->ncuts = 0;
}

/* cuts_take - a CUT for every failed flush goes before everything else */

bool cuts_take(struct journal *j)
{
    struct batch b = { .bytes = BUF(WAITING_MAX) };
    bool fine = true;

    if (j->waiting.nunits == 0 && journal_wall(j) - j->failed_at < CUT_PATIENCE_MS)
        return false;
    for (size_t i = 0; i < j->ncuts && fine; i++) {
        struct record_view v = { .type = RECORD_CUT, .flags = RECORD_LAST,
                                 .wall_ms = journal_wall(j),
                                 .word = place_word(j->cuts[i].place) };
        struct unit *u = j->cuts[i].place.segment != 0 ? unit_begin(j, &b, NULL) : NULL;

        if (j->cuts[i].place.segment == 0)
            continue;
        fine = u != NULL && unit_add(&b, u, (struct item){ 0 }, &v, NULL) && unit_end(j, &b, u);
        if (fine)
            b.units[b.nunits - 1].own = true;
    }
    if (!fine || !batch_move(&b, &j->waiting, 0, j->waiting.nunits)) {
        batch_free(&b);
        return false;
    }
    batch_free(&j->waiting);
    j->waiting = b;
    return true;
}
