/* logging.c - the section `log` put into force, in whatever process. */
#include "conf/conf.h"
#include "log/log.h"

void conf_log(const struct conf *conf, const char *process)
{
    struct log_conf log = {
        .to = slice_istarts(conf->log.to, SLICE_LIT("syslog")) ? LOG_TO_SYSLOG
            : slice_istarts(conf->log.to, SLICE_LIT("file:")) ? LOG_TO_FILE : LOG_TO_STDERR,
        .json = conf->log.json,
        .level = (enum log_level)conf->log.level,
        .per_second = (unsigned)conf->log.per_second,
        .process = process,
    };

    log_setup(&log);
}
