/* fuzz_sasl.c - a client that says anything, in every mechanism: nobody gets in.
 *
 * The first octet chooses the mechanism and whether there is an initial response;
 * messages are divided by the octet 0xfe.
 */
#include "tests/fuzz/target.h"
#include "sasl/server.h"

static struct accounts accounts;
static struct sasl sasl;

static void begin(void)
{
    static const char text[] =
        "alice:{SCRAM-SHA-256}4096:c2FsdA==$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        "{clear}a password that no corpus has: 7f3b2c\n";
    struct buf errors = BUF(1000);
    char *copy = strdup(text);

    must(copy != NULL && accounts_parse(&accounts, copy, strlen(text), "accounts", &errors));
    must(sasl_begin(&sasl, &accounts, "mx.test", "", NULL));
    buf_free(&errors);
}

/* next - cut one message off the front of *in; in memory of exactly its size */

static char *next(struct slice *in, struct slice *message)
{
    char *exact;

    slice_cut(*in, (char)0xfe, message, in);
    exact = malloc(message->n > 0 ? message->n : 1);
    must(exact != NULL);
    if (message->n > 0)
        memcpy(exact, message->p, message->n);
    message->p = exact;
    return exact;
}

static void converse(struct sasl_server *s, bool first, struct slice in)
{
    struct buf out = BUF(SASL_MESSAGE_MAX);
    enum sasl_result r = SASL_MORE;
    bool begun = false;

    while (r == SASL_MORE && (in.n > 0 || !begun)) {
        struct slice message = { 0 };
        char *exact = begun || first ? next(&in, &message) : NULL;

        r = begun ? sasl_server_step(s, message, &out) : sasl_server_start(s, first, message, &out);
        begun = true;
        must(r < SASL_RESULT_COUNT && out.n <= SASL_MESSAGE_MAX);
        free(exact);
    }
    must(r != SASL_DONE);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum sasl_mechanism mechanisms[] = {
        SASL_PLAIN, SASL_LOGIN, SASL_CRAM_MD5, SASL_SCRAM_SHA_256,
    };
    struct sasl_server *s;

    if (sasl.gsasl == NULL)
        begin();
    if (size == 0)
        return 0;
    s = sasl_server_new(&sasl, mechanisms[data[0] & 3]);
    must(s != NULL);
    converse(s, data[0] & 4, target_input(data + 1, size - 1));
    sasl_server_free(s);
    return 0;
}
