/* refit.h - the text of a job, as it came or re-encoded for a host that takes less.
 *
 * What was re-encoded is in memory (a memfd), bounded for the whole process; it lives
 * until the job ends or another target is asked for.
 */
#pragma once
#include "relay/client.h"

enum { REFIT_BYTES = 256 << 20 };       /* of all texts of this process */

struct refit {
    struct slice          body;         /* of the original, unless fd is one */
    int                   fd;           /* or -1 */
    uint64_t              offset, size; /* of the original */
    int                   made;         /* memfd of the re-encoded one, or -1 */
    uint64_t              made_size;
    enum downgrade_target made_for;
};

void refit_init(struct refit *r, struct slice body, int fd, uint64_t offset, uint64_t size);
void refit_free(struct refit *r);

/* refit_text - the text as it came; refit - client_fit_f */
struct client_text refit_text(struct refit *r);
enum downgrade_result refit(void *user, enum downgrade_target target, struct client_text *text);
