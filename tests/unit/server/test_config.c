/* SPDX-License-Identifier: Apache-2.0
 *
 * test_config: every key and its default; whatever is wrong is told with file, line and what is
 * expected; nothing is guessed, cut or merged. The example that we ship loads.
 */
// clang-format off
#include "server/config.h"

#include "dir_fixture.h"

#include "common/hash.h"
#include "common/scan.h"
#include "server/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

/* Lines 1 to 9: all that must be there. */
#define LEAST                                                                                      \
    "[daemon]\ndata = /d\n[tls]\ncert = /c\nkey = /k\nca = /a\n[ledger]\norigin = "                \
    "example.org/f\n\n"
enum { LEAST_LINES = 9 };

struct world {
    char *dir, *path;
    char message[400];
    struct config *config;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->dir = temp_new();
    w->path = strdup(in_dir(w->dir, "pledged.conf"));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    config_free(w->config);
    temp_remove(w->dir);
    free(w->path);
    free(w);
    return 0;
}

static enum pl_code load(struct world *w, const char *text)
{
    config_free(w->config);
    w->config = NULL;
    w->message[0] = '\0';
    write_text(w->path, text);
    struct pl_status status = config_load(w->path, w->message, sizeof(w->message), &w->config);
    assert_true(pl_is_ok(status) == (w->config != NULL));
    return status.code;
}

static const struct config *must(struct world *w, const char *text)
{
    if (load(w, text) != PL_E_OK)
        fail_msg("%s", w->message);
    return w->config;
}

/* LEAST and `more` is refused, at this line of `more` (0: any), with these words. */
static void wrong(struct world *w, const char *more, unsigned line, const char *words)
{
    char text[16384], place[700];
    (void)snprintf(text, sizeof(text), "%s%s", LEAST, more);
    assert_int_equal(load(w, text), PL_E_CONFIG);
    (void)snprintf(place, sizeof(place), "%s:%u: ", w->path, LEAST_LINES + line);
    if (strncmp(w->message, w->path, strlen(w->path)) != 0 ||
        (line != 0 && strncmp(w->message, place, strlen(place)) != 0) ||
        strstr(w->message, words) == NULL)
        fail_msg("'%s': wanted '%s...%s', got '%s'", more, place, words, w->message);
}

static void test_defaults(void **state)
{
    struct world *w = *state;
    const struct config *c = must(w, LEAST);
    assert_string_equal(c->path, w->path);
    assert_string_equal(c->data, "/d");
    assert_string_equal(c->listen.host, "127.0.0.1");
    assert_int_equal(c->listen.port, 7443);
    assert_null(c->port_file);
    assert_null(c->pid_file);
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->log_level, PL_LOG_INFO);
    assert_int_equal(c->log_format, PL_LOG_LOGFMT);
    assert_null(c->tls.crl);
    assert_int_equal(c->clock_jump_limit_s, 3600);
    assert_int_equal(c->clock_ahead_limit_s, 90 * 86400);
    assert_int_equal(c->segment_bytes, 64 << 20);
    assert_int_equal(c->snapshot_entries, 100000);
    assert_int_equal(c->inbox, 8192);
    assert_int_equal(c->net.connections, 4096);
    assert_int_equal(c->net.streams, 256);
    assert_int_equal(c->net.calls, 4096);
    assert_int_equal(c->net.request_bytes, 256 * 1024);
    assert_int_equal(c->net.header_bytes, 16 * 1024);
    assert_int_equal(c->net.write_high_bytes, 256 * 1024);
    assert_int_equal(c->net.arena_bytes, LIMIT_CALL_ARENA_BYTES);
    assert_int_equal(c->net.handshake_ms, 10000);
    assert_int_equal(c->net.preface_ms, 10000);
    assert_int_equal(c->net.request_ms, 30000);
    assert_int_equal(c->net.write_stall_ms, 30000);
    assert_int_equal(c->net.idle_ms, 600000);
    assert_int_equal(c->net.watchers, 4096);
    assert_int_equal(c->net.person_connections, 0);
    assert_int_equal(c->net.person_requests_per_s, 0);
    assert_int_equal(c->net.keepalive_ms, 7200000);
    assert_int_equal(c->net.keepalive_timeout_ms, 20000);
    assert_int_equal(c->net.max_age_ms, 86400000);
    assert_int_equal(c->net.max_age_grace_ms, 3600000);
    assert_false(c->access_log);
    assert_null(c->admin_listen.host);
    assert_null(c->public_listen.host);
    assert_int_equal(c->roster->n_person, 0);
    assert_int_equal(c->policy->clock_jump_limit_s, 3600);
}

static void test_every_key(void **state)
{
    const struct config *c = must(
        *state,
        "[daemon]\ndata = /data dir/x\nlisten = 0.0.0.0:0\nport_file = /p\npid_file = /q\n"
        "workers = 64\nlog_level = debug\nlog_format = json\naccess_log = yes\n"
        "[tls]\ncert = /c\nkey = /k\nca = /a\ncrl = /r\n"
        "[ledger]\norigin = example.org/fund\nclock_jump_limit = 90s\nclock_ahead_limit = 90d\n"
        "[policy]\nfour_eyes = period, commit\nproposal_ttl = 5d\n"
        "difference_limit = 50.00 CHF, 40.00 EUR\nunallocated_limit = 0\n"
        "[account CHF01]\niban = CH93 0076 2011 6238 5295 7\ncurrency = CHF\n"
        "qr_iban = CH44 3199 9123 0008 8901 2\n"
        "[creditor]\nname = Fund\nstreet = Place\nnumber = 1\npostal_code = 1211\n"
        "town = Genève\ncountry = CH\n"
        "[store]\nsegment_bytes = 2097152\nsnapshot_entries = 0\n"
        "[limits]\nconnections = 1\nstreams = 2\ncalls = 3\ninbox = 16\n"
        "request_bytes = 4096\nheader_bytes = 1024\nwrite_high_bytes = 65536\n"
        "handshake = 1s\npreface = 2s\nrequest = 3m\nwrite_stall = 4s\nidle = 24h\n"
        "watchers = 5\nperson_connections = 6\nperson_requests_per_s = 7\n"
        "person_burst = 8\nkeepalive = 5s\nkeepalive_timeout = 6s\nmax_age = 7s\n"
        "max_age_grace = 8s\n"
        "[admin]\nlisten = unix:/run/x/admin\nport_file = /ap\n"
        "[public]\nlisten = [::]:8443\nport_file = /pp\ncert = /pc\nkey = /pk\n"
        "[person anna]\nrole = clerk\nidentity = uri:a dns:b.example  email:c@d\n");
    assert_string_equal(c->data, "/data dir/x");
    assert_string_equal(c->listen.host, "0.0.0.0");
    assert_int_equal(c->listen.port, 0);
    assert_string_equal(c->port_file, "/p");
    assert_string_equal(c->pid_file, "/q");
    assert_int_equal(c->workers, 64);
    assert_int_equal(c->log_level, PL_LOG_DEBUG);
    assert_int_equal(c->log_format, PL_LOG_JSON);
    assert_string_equal(c->tls.cert, "/c");
    assert_string_equal(c->tls.key, "/k");
    assert_string_equal(c->tls.ca, "/a");
    assert_string_equal(c->tls.crl, "/r");
    assert_string_equal(c->origin, "example.org/fund");
    assert_int_equal(c->clock_jump_limit_s, 90);
    assert_int_equal(c->clock_ahead_limit_s, 90 * 86400);
    assert_int_equal(c->policy->clock_jump_limit_s, 90);
    assert_int_equal(c->policy->n_four_eyes, 2);
    assert_int_equal(c->policy->four_eyes[0], PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_COMMIT);
    assert_int_equal(c->policy->four_eyes[1], PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_PERIOD);
    assert_int_equal(c->policy->proposal_ttl_s, 5 * 86400);
    assert_int_equal(c->policy->unallocated_limit_s, 0);
    assert_int_equal(c->policy->n_difference_limit, 2);
    assert_int_equal(c->policy->difference_limit[1]->minor, 4000);
    assert_string_equal(c->policy->difference_limit[1]->currency, "EUR");
    assert_int_equal(c->policy->n_account, 1);
    assert_string_equal(c->policy->account[0]->account, "CHF01");
    assert_string_equal(c->policy->account[0]->iban, "CH9300762011623852957");
    assert_string_equal(c->policy->account[0]->qr_iban, "CH4431999123000889012");
    assert_string_equal(c->policy->creditor->town, "Genève");
    assert_int_equal(c->segment_bytes, 2097152);
    assert_int_equal(c->snapshot_entries, 0);
    assert_int_equal(c->net.connections, 1);
    assert_int_equal(c->net.streams, 2);
    assert_int_equal(c->net.calls, 3);
    assert_int_equal(c->inbox, 16);
    assert_int_equal(c->net.request_bytes, 4096);
    assert_int_equal(c->net.header_bytes, 1024);
    assert_int_equal(c->net.write_high_bytes, 65536);
    assert_int_equal(c->net.handshake_ms, 1000);
    assert_int_equal(c->net.preface_ms, 2000);
    assert_int_equal(c->net.request_ms, 180000);
    assert_int_equal(c->net.write_stall_ms, 4000);
    assert_int_equal(c->net.idle_ms, 86400000);
    assert_int_equal(c->net.watchers, 5);
    assert_int_equal(c->net.person_connections, 6);
    assert_int_equal(c->net.person_requests_per_s, 7);
    assert_int_equal(c->net.person_burst, 8);
    assert_int_equal(c->net.keepalive_ms, 5000);
    assert_int_equal(c->net.keepalive_timeout_ms, 6000);
    assert_int_equal(c->net.max_age_ms, 7000);
    assert_int_equal(c->net.max_age_grace_ms, 8000);
    assert_true(c->access_log);
    assert_true(c->admin_listen.is_unix);
    assert_string_equal(c->admin_listen.host, "/run/x/admin");
    assert_string_equal(c->admin_port_file, "/ap");
    assert_string_equal(c->public_listen.host, "::");
    assert_int_equal(c->public_listen.port, 8443);
    assert_string_equal(c->public_port_file, "/pp");
    assert_string_equal(c->public_tls.cert, "/pc");
    assert_string_equal(c->public_tls.key, "/pk");
    assert_null(c->public_tls.ca);
    assert_int_equal(c->roster->n_person, 1);
    const Pledged__V1__RosterPerson *anna = c->roster->person[0];
    assert_string_equal(anna->person, "anna");
    assert_int_equal(anna->role, PLEDGED__V1__ROLE__ROLE_CLERK);
    assert_int_equal(anna->n_identity, 3);
    assert_string_equal(anna->identity[0]->identity, "uri:a");
    assert_string_equal(anna->identity[1]->identity, "dns:b.example");
    assert_string_equal(anna->identity[2]->identity, "email:c@d");
}

static void test_the_example_loads(void **state)
{
    struct world *w = *state;
    struct pl_status status = config_load(SOURCE_DIR "/deploy/pledged.conf.example", w->message,
                                          sizeof(w->message), &w->config);
    if (!pl_is_ok(status))
        fail_msg("%s", w->message);
    assert_string_equal(w->config->data, "/var/lib/pledged");
    assert_int_equal(w->config->roster->n_person, 5);
    assert_int_equal(w->config->roster->person[4]->role, PLEDGED__V1__ROLE__ROLE_READER);
}

/* Every key that the example shows commented out has the value shown. */
static void test_the_example_shows_the_defaults(void **state)
{
    struct world *w = *state;
    static char text[32768];
    FILE *file = fopen(SOURCE_DIR "/deploy/pledged.conf.example", "re");
    char line[512];
    size_t used = 0, keys = 0;
    bool no_default = false;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL && strncmp(line, "[person", 7) != 0) {
        const char *shown = line;
        char word[64] = "", sign = 0;
        if (line[0] == '[' || strncmp(line, "# [", 3) == 0) /* off unless configured */
            no_default = strncmp(line, "[admin", 6) == 0 || strncmp(line, "[public", 7) == 0 ||
                         strncmp(line, "[checkpoint", 11) == 0 ||
                         strncmp(line, "# [account", 10) == 0 ||
                         strncmp(line, "# [creditor", 11) == 0;
        if (sscanf(line, "# %63[a-z_] %c", word, &sign) == 2 && sign == '=' &&
            strncmp(word, "port_file", 9) != 0 && strncmp(word, "pid_file", 8) != 0 &&
            strncmp(word, "crl", 3) != 0 && (!no_default || strcmp(word, "interval_ms") == 0)) {
            shown = line + 2;
            keys++;
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", shown);
        assert_true(used < sizeof(text));
    }
    (void)fclose(file);
    assert_int_equal(keys, 31);
    struct config *plain = NULL;
    must(w, LEAST);
    plain = w->config;
    w->config = NULL;
    const struct config *c = must(w, text);
    assert_int_equal(memcmp(&c->net, &plain->net, sizeof(c->net)), 0);
    assert_int_equal(c->inbox, plain->inbox);
    assert_int_equal(c->segment_bytes, plain->segment_bytes);
    assert_int_equal(c->snapshot_entries, plain->snapshot_entries);
    assert_int_equal(c->clock_jump_limit_s, plain->clock_jump_limit_s);
    assert_int_equal(c->clock_ahead_limit_s, plain->clock_ahead_limit_s);
    assert_int_equal(c->workers, plain->workers);
    assert_int_equal(c->checkpoint_interval_ms, plain->checkpoint_interval_ms);
    assert_int_equal(c->log_level, plain->log_level);
    assert_int_equal(c->log_format, plain->log_format);
    config_free(plain);
}

static void test_unknown_names_get_the_nearest(void **state)
{
    struct world *w = *state;
    wrong(w, "[daemon]\nlissten = x\n", 2,
          "unknown key 'lissten' in [daemon]; did you mean 'listen'?");
    wrong(w, "[tls]\ncerts = x\n", 2, "did you mean 'cert'?");
    wrong(w, "\n\n[ledger]\norigine = x\n", 4, "did you mean 'origin'?");
    wrong(w, "[store]\nsegment_byte = 1\n", 2, "did you mean 'segment_bytes'?");
    wrong(w, "[limits]\nidel = 1s\n", 2, "did you mean 'idle'?");
    wrong(w, "[person a]\nrolle = clerk\n", 2, "did you mean 'role'?");
    wrong(w, "[daemon]\nxyzxyzxyz = 1\n", 2, "unknown key 'xyzxyzxyz' in [daemon]");
    assert_null(strstr(w->message, "did you mean"));
    wrong(w, "[stroe]\nsegment_bytes = 1\n", 2, "unknown section [stroe]; did you mean [store]?");
    wrong(w, "[qqqqqqqqqq]\na = 1\n", 2, "unknown section [qqqqqqqqqq]");
    assert_null(strstr(w->message, "did you mean"));
    assert_int_equal(load(w, "data = /d\n[daemon]\n"), PL_E_CONFIG); /* in no section */
}

static void test_wrong_values_say_what_is_needed(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *section, *pair, *words;
    } row[] = {
        {"daemon", "listen = 7443", "HOST:PORT"},
        {"daemon", "listen = :7443", "HOST:PORT"},
        {"daemon", "listen = h:", "HOST:PORT"},
        {"daemon", "listen = h:65536", "HOST:PORT"},
        {"daemon", "listen = h:-1", "HOST:PORT"},
        {"daemon", "listen = h:1x", "HOST:PORT"},
        {"daemon", "listen = ::1:7443", "stands in brackets, like [::1]:7443"},
        {"daemon", "listen = [::1:7443", "around the address alone"},
        {"daemon", "listen = [h]x:7443", "around the address alone"},
        {"daemon", "listen = []:7443", "around the address alone"},
        {"daemon", "workers = 65", "from 0 to 64"},
        {"daemon", "workers = -1", "from 0 to 64"},
        {"daemon", "workers = two", "whole number"},
        {"daemon", "workers = 1.5", "whole number"},
        {"daemon", "log_level = loud", "debug, info, warning or error"},
        {"daemon", "log_level = trace", "debug, info, warning or error"},
        {"daemon", "access_log = 1", "yes or no"},
        {"admin", "listen = 0.0.0.0:9443", "needs no certificate"},
        {"admin", "listen = example.org:9443", "needs no certificate"},
        {"admin", "listen = unix:relative", "unix:/PATH"},
        {"admin", "listen = 9443", "unix:/PATH"},
        {"public", "listen = unix:/run/x", "HOST:PORT"},
        {"public", "listen = 0.0.0.0:8443", "[public] needs cert and key"},
        {"tls", "key = credential:", "the name of a credential"},
        {"tls", "key = credential:../x", "the name of a credential"},
        {"tls", "key = credential:a/b", "the name of a credential"},
        {"daemon", "log_format = xml", "logfmt, json or journal"},
        {"ledger", "origin = two words", "without blanks"},
        {"ledger", "origin = a+b", "plus"},
        {"ledger", "origin =", "a name like"},
        {"daemon", "data =", "data is empty"},
        {"daemon", "port_file =", "port_file is empty"},
        {"tls", "crl =", "crl is empty"},
        {"ledger", "clock_ahead_limit = soon", "a time like 1h"},
        {"ledger", "clock_jump_limit = soon", "a time like 1h"},
        {"ledger", "clock_jump_limit = 0s", "a time like 1h"},
        {"ledger", "four_eyes = commit", "unknown key"},
        {"policy", "four_eyes = payments", "names with commas"},
        {"policy", "four_eyes = commit,,cancel", "names with commas"},
        {"policy", "proposal_ttl = 0", "a time like 30d"},
        {"policy", "unallocated_limit = soon", "or 0"},
        {"policy", "difference_limit = 50.001 CHF", "amounts with commas"},
        {"policy", "difference_limit = 50.00", "amounts with commas"},
        {"policy", "difference_limit = 5 CHF, 6 CHF", "one amount a currency"},
        {"account CHF01", "iban = CH93 0076 2011 6238 5295 8", "right checksum"},
        {"account CHF01", "iban = CH44 3199 9123 0008 8901 2", "belongs into qr_iban"},
        {"account CHF01", "qr_iban = CH93 0076 2011 6238 5295 7", "a QR-IBAN is needed"},
        {"account CHF01", "currency = XXQ", "ISO 4217"},
        {"account chf", "currency = CHF", "capital letters"},
        {"account CHF01", "ibam = x", "did you mean 'iban'"},
        {"creditor", "country = Schweiz", "two capital letters"},
        {"store", "segment_bytes = 2097151", "from 2097152 to 4294967296"},
        {"store", "segment_bytes = 99999999999999999999", "whole number"},
        {"store", "snapshot_entries = -1", "whole number"},
        {"limits", "connections = 0", "from 1"},
        {"limits", "streams = 10001", "to 10000"},
        {"limits", "calls = 0", "from 1"},
        {"limits", "inbox = 15", "from 16"},
        {"limits", "request_bytes = 1048577", "to 1048576"},
        {"limits", "header_bytes = 1023", "from 1024"},
        {"limits", "write_high_bytes = 65535", "from 65536"},
        {"limits", "handshake = 0s", "1s to 24h"},
        {"limits", "preface = 25h", "1s to 24h"},
        {"limits", "idle = 10", "1s to 24h"},
        {"limits", "request = -5s", "1s to 24h"},
        {"limits", "write_stall =", "1s to 24h"},
        {"person a", "role = boss", "clerk, approver"},
        {"person a", "role = daemon", "clerk, approver"},
        {"person a", "identity = anna", "identity = anna: uri:, dns:"},
        {"person a", "identity = uri:a CN=x", "identity = CN=x: uri:, dns:"},
        {"person a", "identity = uri:", "identity = uri:: uri:, dns:"},
        {"person a", "identity = spki:0123", "64 hexadecimal digits"},
        {"person a", "identity = uri:a uri:a", "it is [person a]'s already"},
        {"person a", "identity = dns:A.b dns:a.B",
         "identity = dns:a.B: it is [person a]'s already"},
        {"person Anna", "role = clerk", "small letters"},
        {"person a b", "role = clerk", "small letters"},
        {"person ", "role = clerk", ""},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        char more[300];
        (void)snprintf(more, sizeof(more), "[%s]\n%s\n", row[i].section, row[i].pair);
        wrong(w, more, 2, row[i].words);
    }
    wrong(w, "[daemon]\nworkers\n", 2, "neither [section] nor key = value");
    wrong(w, "[daemon\n", 1, "neither [section] nor key = value");
    wrong(w, "[daemon]\ndata = \xff\xfe\n", 2, "UTF-8");
}

static void test_the_first_mistake_is_told(void **state)
{
    wrong(*state, "[daemon]\nworkers = x\nlisten = x\n[nothing]\na = b\n", 2, "workers = x");
}

static void test_lines_are_not_cut(void **state)
{
    struct world *w = *state;
    char more[12000], word[10001];
    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    (void)snprintf(more, sizeof(more), "[daemon]\npid_file = /%s\n", word);
    wrong(w, more, 2, "the line is longer than");
    (void)snprintf(more, sizeof(more), "[daemon]\n# %s\n", word);
    wrong(w, more, 2, "the line is longer than");
    /* a long name is a mistake or itself, never the beginning of itself */
    for (int len = 30; len <= 80; len++) {
        (void)snprintf(more, sizeof(more), "%s[person %.*s]\nrole = clerk\nidentity = uri:a\n",
                       LEAST, len, word);
        if (load(w, more) == PL_E_OK)
            assert_int_equal(strlen(w->config->roster->person[0]->person), len);
        else
            assert_true(len > 40);
    }
}

static void test_missing_keys_are_named(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"data", "cert", "key", "ca", "origin"};
    static const char *const words[] = {"[daemon] data is missing", "[tls] cert is missing",
                                        "[tls] key is missing", "[tls] ca is missing",
                                        "[ledger] origin is missing"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[400] = LEAST, find[32];
        (void)snprintf(find, sizeof(find), "\n%s =", names[i]);
        char *at = strstr(text, find);
        assert_non_null(at);
        at[1] = '#';
        assert_int_equal(load(w, text), PL_E_CONFIG);
        assert_non_null(strstr(w->message, words[i]));
    }
    assert_int_equal(load(w, ""), PL_E_CONFIG);
    wrong(w, "[person a]\nrole = clerk\n", 0, "[person a] needs a role and an identity");
    wrong(w, "[person a]\nidentity = uri:a\n", 0, "[person a] needs a role and an identity");
}

/* What goes on would take the place of what stands above it: half a list of what needs two persons,
 * or the key on the indented line as the value of another one. */
static void test_only_identities_take_more_than_one_line(void **state)
{
    struct world *w = *state;
    wrong(w, "[policy]\nfour_eyes = commit, cancel,\n  refund, write-off\n", 3,
          "as if it went on with 'four_eyes'");
    wrong(w, "[daemon]\nport_file = /p\n  listen = [::1]:1\n", 3,
          "as if it went on with 'port_file'");
    wrong(w, "[daemon]\nport_file = /p\n\t[tls]\n", 3, "as if it went on with 'port_file'");
    must(w, LEAST "[person a]\nidentity = uri:a\n  uri:b\n\turi:c\nrole = clerk\n");
    assert_int_equal(w->config->roster->person[0]->n_identity, 3);
    must(w, LEAST "[daemon]\n  workers = 3\n"); /* the first of its section goes on with nothing */
    assert_int_equal(w->config->workers, 3);
    must(w, LEAST "[daemon]\nworkers = 3\n  # a comment\n");
}

/* The first line that is nothing is told, not what comes of it further down. */
static void test_what_a_broken_line_leads_to_is_not_blamed(void **state)
{
    struct world *w = *state;
    wrong(w, "[person a]\nrole = clerk\nidentity = uri:a\n[daemon\nworkers = 1\n", 4,
          "neither [section] nor key = value");
    wrong(w, "[daemon]\nworkers = many\nnonsense\n", 2, "whole number");
}

static void test_bytes_that_are_no_text(void **state)
{
    struct world *w = *state;
    wrong(w, "[creditor]\nname = Gen\xE8ve\n", 2, "the value of name is not UTF-8");
    static const char nul[] = LEAST "[daemon]\nworkers = 1\0\nlisten = h:1\n";
    static const char line[] = LEAST "[daemon]\n\0\n";
    const struct pl_slice text[] = {pl_slice(nul, sizeof(nul) - 1),
                                    pl_slice(line, sizeof(line) - 1)};
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
        FILE *file = fopen(w->path, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(text[i].data, 1, text[i].len, file), text[i].len);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(config_load(w->path, w->message, sizeof(w->message), &w->config).code,
                         PL_E_CONFIG);
        assert_non_null(strstr(w->message, ":11: a NUL byte"));
    }
    assert_int_equal(config_load(w->dir, w->message, sizeof(w->message), &w->config).code,
                     PL_E_CONFIG);
    assert_non_null(strstr(w->message, "cannot be read: Is a directory"));
}

static void test_where_a_key_stands(void **state)
{
    struct world *w = *state;
    const struct config *c = must(w, LEAST "[daemon]\nlisten = h:1\n[tls]\ncrl = /a b\n");
    char where[700], wanted[700];
    config_where(c, &c->listen, where, sizeof(where));
    (void)snprintf(wanted, sizeof(wanted), "%s:%d: [daemon] listen", w->path, LEAST_LINES + 2);
    assert_string_equal(where, wanted);
    config_where(c, &c->public_listen, where, sizeof(where));
    (void)snprintf(wanted, sizeof(wanted), "%s: [public] listen, which is not set", w->path);
    assert_string_equal(where, wanted);
    (void)snprintf(where, sizeof(where), "/a b: it has expired");
    config_blame(c, where, sizeof(where));
    (void)snprintf(wanted, sizeof(wanted), "%s:%d: [tls] crl: /a b: it has expired", w->path,
                   LEAST_LINES + 4);
    assert_string_equal(where, wanted);
    (void)snprintf(where, sizeof(where), "/a bc: it has expired"); /* another file */
    config_blame(c, where, sizeof(where));
    assert_string_equal(where, "/a bc: it has expired");
}

static void test_no_file_is_no_input(void **state)
{
    struct world *w = *state;
    struct pl_status status =
        config_load("/nonexistent/pledged.conf", w->message, sizeof(w->message), &w->config);
    assert_int_equal(status.code, PL_E_NO_INPUT);
    assert_non_null(strstr(w->message, "/nonexistent/pledged.conf: No such file"));
    assert_null(w->config);
}

static void test_addresses(void **state)
{
    const struct config *c = must(*state, LEAST "[daemon]\nlisten = [::1]:7443\n");
    assert_string_equal(c->listen.host, "::1");
    assert_int_equal(c->listen.port, 7443);
    c = must(*state, LEAST "[daemon]\nlisten = localhost:65535\n");
    assert_string_equal(c->listen.host, "localhost");
    assert_int_equal(c->listen.port, 65535);
}

static void test_a_person_has_one_role(void **state)
{
    struct world *w = *state;
    wrong(w,
          "[person a]\nrole = reader\nidentity = uri:a\n[person b]\nrole = clerk\n"
          "identity = uri:b\n[person a]\nrole = admin\nidentity = uri:c\n",
          8, "a second role");
    wrong(w, "[person a]\nrole = reader\n  admin\nidentity = uri:a\n", 3,
          "as if it went on with 'role'");
}

static void test_roles_and_bounds_of_persons(void **state)
{
    struct world *w = *state;
    static const char *const roles[] = {"public",   "reader",  "clerk",
                                        "approver", "auditor", "admin"};
    static char text[32768];
    size_t used = (size_t)snprintf(text, sizeof(text), "%s", LEAST);
    for (int i = 0; i < 256; i++)
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used,
                             "[person p%d]\nrole = %s\nidentity = uri:%d\n", i, roles[i % 6], i);
    const struct config *c = must(w, text);
    assert_int_equal(c->roster->n_person, 256);
    for (int i = 0; i < 6; i++)
        assert_int_equal(c->roster->person[i]->role, PLEDGED__V1__ROLE__ROLE_PUBLIC + i);
    (void)snprintf(text + used, sizeof(text) - used, "[person more]\nrole = clerk\n");
    assert_int_equal(load(w, text), PL_E_CONFIG);
    assert_non_null(strstr(w->message, "more than 256 persons"));
    must(w, LEAST "[person a]\nrole = clerk\nidentity = uri:1 uri:2 uri:3 uri:4\n"
                  "  uri:5 uri:6 uri:7 uri:8\n");
    assert_int_equal(w->config->roster->person[0]->n_identity, 8);
    wrong(w,
          "[person a]\nrole = clerk\nidentity = uri:1 uri:2 uri:3 uri:4 uri:5 uri:6 uri:7 uri:8 "
          "uri:9\n",
          3, "more than 8 identities");
}

/* The ledger compares hashes to find out whether something changed. */
static void test_credentials(void **state)
{
    struct world *w = *state;
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    wrong(w, "[tls]\nkey = credential:server.key\n", 2, "CREDENTIALS_DIRECTORY is not set");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1), 0);
    const struct config *c =
        must(w, LEAST "[tls]\nkey = credential:server.key\ncert = /credential:x\n");
    assert_string_equal(c->tls.key, "/run/credentials/x/server.key");
    assert_string_equal(c->tls.cert, "/credential:x");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* The example, without anything commented out, names the keys of the table and no others. */
static void test_the_example_names_every_key(void **state)
{
    (void)state;
    FILE *file = fopen(SOURCE_DIR "/deploy/pledged.conf.example", "re");
    char line[512], section[64] = "", word[64], names[8192] = "";
    const char *of, *key;
    size_t used = 0, count = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *at = strncmp(line, "# ", 2) == 0 ? line + 2 : line;
        if (at[0] == '[') {
            assert_int_equal(sscanf(at, "[%63[^]]]", section), 1);
        } else if (sscanf(at, "%63[a-z_] ", word) == 1 && at[strlen(word)] == ' ' &&
                   at[strlen(word) + 1] == '=' && strncmp(section, "person ", 7) != 0 &&
                   strncmp(section, "account ", 8) != 0) {
            used += (size_t)snprintf(names + used, sizeof(names) - used, "<%s %s>", section, word);
            count++;
        }
    }
    (void)fclose(file);
    for (size_t i = 0; config_key(i, &of, &key); i++, count--) {
        char name[160];
        (void)snprintf(name, sizeof(name), "<%s %s>", of, key);
        if (strstr(names, name) == NULL)
            fail_msg("[%s] %s is not in the example", of, key);
    }
    assert_int_equal(count, 0);
}

static void test_what_needs_a_restart_is_told(void **state)
{
    struct world *w = *state;
    char text[400];
    must(w, LEAST "[limits]\nidle = 5s\n[person a]\nrole = clerk\nidentity = uri:a\n");
    struct config *now = w->config;
    w->config = NULL;
    must(w, LEAST "[tls]\ncert = /other\n[limits]\nidle = 6s\n");
    config_restart_keys(now, w->config, text, sizeof(text));
    assert_string_equal(text, "");
    must(w, LEAST "[daemon]\ndata = /other\nlisten = 127.0.0.1:7444\nworkers = 2\n[admin]\n"
                  "listen = 127.0.0.1:1\n[limits]\ninbox = 99\n");
    config_restart_keys(now, w->config, text, sizeof(text));
    assert_string_equal(text, "[daemon] data, [daemon] listen, [daemon] workers, [limits] inbox, "
                              "[admin] listen");
    config_restart_keys(now, w->config, text, 20);
    assert_int_equal(strlen(text), 19);
    config_free(now);
}

static void test_hashes_tell_changes(void **state)
{
    struct world *w = *state;
    uint8_t roster[2][32], policy[2][32];
    static const char one[] = LEAST "[person a]\nrole = clerk\nidentity = uri:a\n";
    static const char two[] = LEAST "[person a]\nrole = reader\nidentity = uri:a\n";
    must(w, one);
    assert_int_equal(w->config->roster->sha256.len, 32);
    memcpy(roster[0], w->config->roster->sha256.data, 32);
    memcpy(policy[0], w->config->policy->sha256.data, 32);
    must(w, one);
    assert_memory_equal(roster[0], w->config->roster->sha256.data, 32);
    must(w, two);
    memcpy(roster[1], w->config->roster->sha256.data, 32);
    assert_memory_not_equal(roster[0], roster[1], 32);
    assert_memory_equal(policy[0], w->config->policy->sha256.data, 32);
    must(w, LEAST "[ledger]\nclock_jump_limit = 2h\n");
    memcpy(policy[1], w->config->policy->sha256.data, 32);
    assert_memory_not_equal(policy[0], policy[1], 32);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(defaults),
        CASE(every_key),
        CASE(the_example_loads),
        CASE(the_example_shows_the_defaults),
        CASE(unknown_names_get_the_nearest),
        CASE(wrong_values_say_what_is_needed),
        CASE(the_first_mistake_is_told),
        CASE(lines_are_not_cut),
        CASE(missing_keys_are_named),
        CASE(only_identities_take_more_than_one_line),
        CASE(what_a_broken_line_leads_to_is_not_blamed),
        CASE(bytes_that_are_no_text),
        CASE(where_a_key_stands),
        CASE(no_file_is_no_input),
        CASE(addresses),
        CASE(a_person_has_one_role),
        CASE(roles_and_bounds_of_persons),
        CASE(credentials),
        CASE(the_example_names_every_key),
        CASE(what_needs_a_restart_is_told),
        CASE(hashes_tell_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
