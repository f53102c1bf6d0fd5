/* test_smtpd_model.c - the session and its model are of one opinion.
 *
 * POSTRIDER_SEQUENCES: how many random sequences of commands; without it, a million.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd_model.h"

enum { SEQUENCES = 1000000 };

static struct conf *conf;

static int setup(void **state)
{
    (void)state;
    conf = world_conf_parse();
    if (conf != NULL)
        conf->limits.message_size = MODEL_SIZE;
    return conf == NULL;
}

static int teardown(void **state)
{
    (void)state;
    conf_free(conf);
    return 0;
}

static void the_model_has_a_rule_for_everything(void **state)
{
    (void)state;
    for (unsigned s = 0; s < M_ENDED; s++)
        for (unsigned word = 0; word < MODEL_WORDS_COUNT; word++)
            assert_non_null(model_find(&(struct model){ .state = (enum model_state)s }, (enum model_word)word));
    for (size_t i = 0; i < sizeof model_rules / sizeof model_rules[0]; i++)
        assert_true(model_rules[i].code >= 200 && (model_rules[i].code == 354) == (model_rules[i].then != 0));
}

static void fill(uint8_t *choices, size_t n, uint64_t *seed)
{
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        choices[i] = (uint8_t)(*seed >> 56);
    }
}

static void random_sequences_agree_with_the_model(void **state)
{
    const char *number = getenv("POSTRIDER_SEQUENCES");
    unsigned long sequences = number != NULL ? strtoul(number, NULL, 10) : SEQUENCES;
    uint64_t seed = 20261122, messages = 0, begun;
    uint8_t choices[400];
    struct model_run r;

    (void)state;
    for (unsigned long i = 0; i < sequences; i++) {
        begun = seed;
        fill(choices, sizeof choices, &seed);
        choices[0] = W_EHLO;
        if (i % 4 > 0) {        /* most begin like a message, so that its end is often reached */
            choices[2] = (uint8_t)(i % 8 < 4 ? W_MAIL : W_MAIL_B);
            choices[3] = W_RCPT;
        }
        if (!model_compare(&r, conf, choices, sizeof choices))
            fail_msg("sequence %lu (seed %llu): %s", i, (unsigned long long)begun, r.why);
        messages += r.model.messages;
    }
    assert_true(messages > sequences / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_has_a_rule_for_everything),
        cmocka_unit_test(random_sequences_agree_with_the_model),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
