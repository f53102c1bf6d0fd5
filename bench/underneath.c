/* underneath.c - preloaded into postriderd: some of its processes run underneath a tool.
 *
 * The master executes /proc/self/exe for each role, which a tool like valgrind cannot follow.
 *
 *     LD_PRELOAD=underneath.so UNDERNEATH="smtpd queue" UNDERNEATH_TOOL="valgrind --tool=callgrind
 *         --callgrind-out-file=/tmp/%q{UNDERNEATH_ROLE}.out" postriderd ...
 *
 * Words are parted by single blanks. UNDERNEATH_ROLE is set to the role.
 *
 * Such a process gives callgrind's counts to a file, and begins to count anew, when it is sent
 * SIGUSR2: asking valgrind itself from outside fails once the process has become another user.
 */
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { WORDS = 30 };

typedef int execvp_f(const char *file, char *const argv[]);

/* listed - does the word stand in the list? */

static bool listed(const char *list, const char *word)
{
    size_t n = strlen(word), len;

    for (; list != NULL && *list != '\0'; list += len + (list[len] == ' ')) {
        len = strcspn(list, " ");
        if (len == n && memcmp(list, word, n) == 0)
            return true;
    }
    return false;
}

/* put_tool - its words, cut in place; how many */

static size_t put_tool(char *tool, char *words[])
{
    size_t n = 0;

    for (char *word = strtok(tool, " "); word != NULL && n < WORDS; word = strtok(NULL, " "))
        words[n++] = word;
    return n;
}

static int execute_underneath(execvp_f *real, char *tool, const char *role)
{
    static char self[PATH_MAX];
    char *words[WORDS + 3];
    size_t n = put_tool(tool, words);

    if (n == 0 || readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return -1;
    words[n++] = self;
    words[n++] = (char *)(unsigned long)role;
    words[n] = NULL;
    setenv("UNDERNEATH_ROLE", role, 1);
    return real(words[0], words);
}

static void on_signal(int number)
{
    (void)number;
    CALLGRIND_DUMP_STATS;
}

__attribute__((constructor)) static void begin(void)
{
    if (getenv("UNDERNEATH_ROLE") != NULL)
        signal(SIGUSR2, on_signal);
}

int execvp(const char *file, char *const argv[])
{
    execvp_f *real = (execvp_f *)(unsigned long)dlsym(RTLD_NEXT, "execvp");
    char *tool = getenv("UNDERNEATH_TOOL");

    if (tool != NULL && strcmp(file, "/proc/self/exe") == 0 && argv[0] != NULL && argv[1] != NULL
        && listed(getenv("UNDERNEATH"), argv[1]))
        return execute_underneath(real, tool, argv[1]);
    return real(file, argv);
}
