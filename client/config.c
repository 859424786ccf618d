/* SPDX-License-Identifier: Apache-2.0
 *
 * config: libinih splits the lines; our reader refuses lines that are too long instead of cutting
 * them. Profile, then options: whoever speaks last wins.
 */
#include "client/config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/date.h"
#include "common/nearest.h"

enum { PORT_DEFAULT = 7443, TIMEOUT_DEFAULT_MS = 10000, TIMEOUT_MAX_S = 86400 };

static const char *const keys[] = {"server", "ca", "cert", "key", "format", "lang", "timeout"};

struct raw {
    const char *server, *ca, *cert, *key, *format, *lang, *timeout;
    const char *path; /* of the file they come from */
};

struct loader {
    FILE *file;
    const char *path;
    const char *profile; /* NULL: only the keys before the first section */
    struct pl_arena *arena;
    struct failure *failure;
    struct raw *raw;
    struct pl_status status;
    bool found; /* the profile's section is there */
    int line;
    bool too_long;
};

static char *read_line(char *into, int size, void *arg)
{
    struct loader *loader = arg;
    char *got = fgets(into, size, loader->file);
    if (got == NULL)
        return NULL;
    loader->line++;
    if (strchr(into, '\n') == NULL && !feof(loader->file) && (int)strlen(into) + 1 == size)
        loader->too_long = true;
    return got;
}

__attribute__((format(printf, 2, 3))) static struct pl_status bad_line(struct loader *loader,
                                                                       const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return failure_set(loader->failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       "%s:%d: %s", loader->path, loader->line, what);
}

/* Names of files in the INI file are relative to it. */
static const char *beside(struct loader *loader, const char *value)
{
    const char *slash = strrchr(loader->path, '/');
    if (value[0] == '/' || slash == NULL)
        return pl_arena_strdup(loader->arena, value);
    return pl_arena_printf(loader->arena, "%.*s/%s", (int)(slash - loader->path), loader->path,
                           value);
}

static struct pl_status take_key(struct loader *loader, const char *name, const char *value)
{
    const char **places[] = {&loader->raw->server, &loader->raw->ca,     &loader->raw->cert,
                             &loader->raw->key,    &loader->raw->format, &loader->raw->lang,
                             &loader->raw->timeout};
    size_t count = sizeof(keys) / sizeof(keys[0]);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], name) != 0)
            continue;
        bool is_file = i >= 1 && i <= 3;
        *places[i] = is_file ? beside(loader, value) : pl_arena_strdup(loader->arena, value);
        return *places[i] != NULL ? pl_ok() : pl_fail(INTERNAL, "reading the configuration");
    }
    const char *near = pl_nearest(name, keys, count);
    if (near != NULL)
        return bad_line(loader, _("there is no key '%s'; did you mean '%s'?"), name, near);
    return bad_line(loader, _("there is no key '%s'"), name);
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct loader *loader = arg;
    if (!pl_is_ok(loader->status))
        return 0;
    if (loader->too_long) {
        loader->status = bad_line(loader, "%s", _("this line is too long"));
        return 0;
    }
    bool mine = loader->profile != NULL && strcmp(section, loader->profile) == 0;
    loader->found = loader->found || mine;
    if (mine || section[0] == '\0')
        loader->status = take_key(loader, name, value);
    return pl_is_ok(loader->status);
}

static struct pl_status read_file(struct loader *loader)
{
    loader->status = pl_ok();
    int bad = ini_parse_stream(read_line, loader, on_key, loader);
    PL_TRY(loader->status);
    if (bad > 0) {
        loader->line = bad;
        return bad_line(loader, "%s", _("this is not 'key = value'"));
    }
    if (loader->profile != NULL && !loader->found)
        return failure_set(loader->failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                           "", _("%s has no profile '%s'"), loader->path, loader->profile);
    return pl_ok();
}

static const char *default_path(struct pl_arena *arena)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    if (base != NULL && base[0] == '/')
        return pl_arena_printf(arena, "%s/pledge/config", base);
    const char *home = getenv("HOME");
    return home == NULL ? NULL : pl_arena_printf(arena, "%s/.config/pledge/config", home);
}

static const char *not_empty(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static struct pl_status load_profile(const struct options *options, struct pl_arena *arena,
                                     struct raw *raw, struct failure *failure)
{
    const char *path = options_get(options, OPTION_CONFIG);
    if (path == NULL)
        path = not_empty(getenv("PLEDGE_CONFIG"));
    bool named = path != NULL;
    if (path == NULL)
        path = default_path(arena);
    const char *profile = options_get(options, OPTION_PROFILE);
    if (profile == NULL)
        profile = not_empty(getenv("PLEDGE_PROFILE"));
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    if (file == NULL) {
        if (!named && profile == NULL)
            return pl_ok();
        if (profile == NULL)
            return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                               _("cannot read the configuration %s: %s"), path, text_errno(errno));
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("cannot read the configuration %s (profile '%s'): %s"),
                           path == NULL ? "" : path, profile, text_errno(errno));
    }
    raw->path = path;
    struct loader loader = {.file = file,
                            .path = path,
                            .profile = profile,
                            .arena = arena,
                            .failure = failure,
                            .raw = raw};
    struct pl_status status = read_file(&loader);
    (void)fclose(file);
    return status;
}

static void override(const struct options *options, enum option option, const char **value)
{
    if (options_has(options, option))
        *value = options_get(options, option);
}

/* --- values --- */

/* As an option, in the environment or in a file. */
static struct pl_status bad(struct failure *failure, enum option option, const char *value,
                            const char *wanted)
{
    return failure_usage(failure, _("%s %s: %s"), options_rule(option)->name, value, wanted);
}

static struct pl_status none_of(struct failure *failure, enum option option, const char *value,
                                const char *known)
{
    return failure_usage(failure, _("%s %s: one of these is needed: %s"),
                         options_rule(option)->name, value, known);
}

/* "host", "host:port", "[::1]:port", "::1" */
static struct pl_status set_server(const char *text, struct pl_arena *arena, struct config *ret,
                                   struct failure *failure)
{
    const char *wanted = _("HOST:PORT is needed");
    const char *host = text, *port = NULL;
    size_t len = strlen(text);
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return bad(failure, OPTION_SERVER, text, wanted);
        host = text + 1;
        len = (size_t)(end - host);
        port = end[1] == ':' ? end + 2 : NULL;
    } else if (strchr(text, ':') != NULL && strchr(text, ':') == strrchr(text, ':')) {
        len = strcspn(text, ":");
        port = text + len + 1;
    }
    int64_t number = PORT_DEFAULT;
    if (len == 0 || len > 255 || (port != NULL && !options_parse_number(port, 1, 65535, &number)))
        return bad(failure, OPTION_SERVER, text, wanted);
    ret->port = (uint16_t)number;
    ret->host = pl_arena_printf(arena, "%.*s", (int)len, host);
    return ret->host != NULL ? pl_ok() : pl_fail(INTERNAL, "reading the server's name");
}

static bool parse_timeout(const char *text, int64_t *ret_ms)
{
    int64_t seconds;
    if (!options_parse_number(text, 1, TIMEOUT_MAX_S, &seconds) &&
        (!pl_is_ok(pl_duration_parse(text, &seconds)) || seconds < 1 || seconds > TIMEOUT_MAX_S))
        return false;
    *ret_ms = seconds * 1000;
    return true;
}

static bool color_wanted(const struct options *options, bool stdout_is_terminal)
{
    const char *term = getenv("TERM");
    return stdout_is_terminal && not_empty(getenv("NO_COLOR")) == NULL &&
           (term == NULL || strcmp(term, "dumb") != 0) && !options_has(options, OPTION_NO_COLOR);
}

static struct pl_status apply(const struct raw *raw, struct pl_arena *arena, struct config *ret,
                              struct failure *failure)
{
    ret->ca = not_empty(raw->ca);
    ret->cert = not_empty(raw->cert);
    ret->key = not_empty(raw->key);
    ret->path = raw->path;
    if (raw->format != NULL && !output_format_parse(raw->format, &ret->format))
        return none_of(failure, OPTION_FORMAT, raw->format, "table, plain, json, csv");
    if (raw->lang != NULL && !text_language_parse(raw->lang, &ret->language))
        return none_of(failure, OPTION_LANG, raw->lang, "fr, en");
    if (raw->timeout != NULL && !parse_timeout(raw->timeout, &ret->timeout_ms))
        return bad(failure, OPTION_TIMEOUT, raw->timeout, _("a time like 10s, 2m is needed"));
    if ((ret->cert == NULL) != (ret->key == NULL))
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "", "%s",
                           _("a certificate needs its key, and a key its certificate"));
    return raw->server == NULL ? pl_ok() : set_server(raw->server, arena, ret, failure);
}

static void set_defaults(const struct options *options, bool stdout_is_terminal, struct config *ret)
{
    *ret = (struct config){
        .port = PORT_DEFAULT,
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .format = stdout_is_terminal ? OUTPUT_TABLE : OUTPUT_PLAIN,
        .language = text_language_of_environment(),
        .color = color_wanted(options, stdout_is_terminal),
        .quiet = options_has(options, OPTION_QUIET),
    };
}

struct pl_status config_load_offline(const struct options *options, bool stdout_is_terminal,
                                     struct pl_arena *arena, struct config *ret,
                                     struct failure *failure)
{
    struct raw raw = {0};
    set_defaults(options, stdout_is_terminal, ret);
    override(options, OPTION_FORMAT, &raw.format);
    override(options, OPTION_LANG, &raw.lang);
    return apply(&raw, arena, ret, failure);
}

struct pl_status config_load(const struct options *options, bool stdout_is_terminal,
                             struct pl_arena *arena, struct config *ret, struct failure *failure)
{
    struct raw raw = {0};
    set_defaults(options, stdout_is_terminal, ret);
    /* that the profile cannot be read is told in this form already; what is wrong is found below */
    if (options_has(options, OPTION_FORMAT))
        (void)output_format_parse(options_get(options, OPTION_FORMAT), &ret->format);
    PL_TRY(load_profile(options, arena, &raw, failure));
    override(options, OPTION_SERVER, &raw.server);
    override(options, OPTION_CA, &raw.ca);
    override(options, OPTION_CERT, &raw.cert);
    override(options, OPTION_KEY, &raw.key);
    override(options, OPTION_FORMAT, &raw.format);
    override(options, OPTION_LANG, &raw.lang);
    override(options, OPTION_TIMEOUT, &raw.timeout);
    return apply(&raw, arena, ret, failure);
}

void config_guess(int argc, char **argv, bool stdout_is_terminal, struct config *ret)
{
    *ret = (struct config){.format = stdout_is_terminal ? OUTPUT_TABLE : OUTPUT_PLAIN,
                           .language = text_language_of_environment()};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strncmp(argv[i], "--format", 8) == 0)
            (void)output_format_parse(argv[i][8] == '=' ? argv[i] + 9 : next, &ret->format);
        if (strncmp(argv[i], "--lang", 6) == 0)
            (void)text_language_parse(argv[i][6] == '=' ? argv[i] + 7 : next, &ret->language);
    }
}
