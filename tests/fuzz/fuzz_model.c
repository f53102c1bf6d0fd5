/* fuzz_model.c - the session beside its model (tests/unit/smtpd_model.h): each octet is a
 * command or a place to cut; both must answer the same. */
#include "tests/fuzz/target.h"
#include "tests/unit/smtpd_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conf *conf;
    struct model_run r;

    if (conf == NULL) {
        conf = world_conf_parse();
        must(conf != NULL);
        conf->limits.message_size = MODEL_SIZE;
    }
    if (!model_compare(&r, conf, data, size)) {
        fprintf(stderr, "%s\n", r.why);
        abort();
    }
    return 0;
}
