/* SPDX-License-Identifier: Apache-2.0
 *
 * options: one table says each option's name, kind and place.
 */
#include "tests/bench/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"

static const char *const kind_names[] = {"tier", "submit", "batch", "get", "idle", "disk"};

enum form { TEXT, COUNT, BIG_COUNT, NUMBER };

struct option {
    const char *name;
    enum form form;
    size_t place;
    double min, max;
};

#define PLACE(field) offsetof(struct bench_options, field)
static const struct option table[] = {
    {"--host", TEXT, PLACE(host), 0, 0},
    {"--port", TEXT, PLACE(port), 0, 0},
    {"--ca", TEXT, PLACE(ca), 0, 0},
    {"--cert", TEXT, PLACE(cert), 0, 0},
    {"--key", TEXT, PLACE(key), 0, 0},
    {"--tier", TEXT, PLACE(tier), 0, 0},
    {"--path", TEXT, PLACE(path), 0, 0},
    {"--connections", COUNT, PLACE(connections), 1, 20000},
    {"--threads", COUNT, PLACE(threads), 1, 16},
    {"--streams", COUNT, PLACE(streams), 1, 256},
    {"--batch", COUNT, PLACE(batch), 1, 8192},
    {"--contributors", COUNT, PLACE(contributors), 1, 999999},
    {"--requests", BIG_COUNT, PLACE(requests), 1, 1e12},
    {"--seconds", NUMBER, PLACE(seconds), 0.01, 3600},
    {"--warmup", NUMBER, PLACE(warmup), 0, 600},
    {"--rate", NUMBER, PLACE(rate), 0.1, 1e8},
};

static bool usage(void)
{
    (void)fprintf(
        stderr,
        "usage: pledge-bench tier|submit|batch|get|idle --port N --ca FILE [--cert FILE --key "
        "FILE]\n"
        "         [--host ADDRESS] [--connections N] [--streams N] [--threads N] [--fresh]\n"
        "         [--seconds S [--warmup S] | --requests N] [--rate PER-SECOND]\n"
        "         [--tier CODE] [--contributors N] [--batch COMMANDS] [--path /FILE]\n"
        "       pledge-bench disk --path DIRECTORY [--requests N]\n"
        "One line of JSON on standard output says how it went. Exit: 0 every answer was good,\n"
        "1 some were not, 64 usage, 69 nothing could be connected, 78 certificates.\n");
    return false;
}

static bool set(const struct option *option, const char *word, struct bench_options *ret)
{
    char *place = (char *)ret + option->place;
    if (option->form == TEXT) {
        memcpy(place, &word, sizeof(word));
        return true;
    }
    char *end = NULL;
    errno = 0;
    double value = strtod(word, &end);
    if (end == word || *end != '\0' || errno != 0 || !(value >= option->min) ||
        !(value <= option->max)) {
        (void)fprintf(stderr, "pledge-bench: %s: from %g to %g\n", option->name, option->min,
                      option->max);
        return false;
    }
    unsigned count = (unsigned)value;
    uint64_t big = (uint64_t)value;
    if (option->form == COUNT)
        memcpy(place, &count, sizeof(count));
    else if (option->form == BIG_COUNT)
        memcpy(place, &big, sizeof(big));
    else
        memcpy(place, &value, sizeof(value));
    return true;
}

static bool complete(const struct bench_options *options)
{
    const char *missing = NULL;
    if (options->kind == BENCH_DISK)
        missing = options->path == NULL ? "--path" : NULL;
    else if (options->port == NULL)
        missing = "--port";
    else if (options->ca == NULL)
        missing = "--ca";
    else if ((options->cert == NULL) != (options->key == NULL))
        missing = "--cert and --key together";
    else if (options->kind == BENCH_GET && options->path == NULL)
        missing = "--path";
    else if (options->kind != BENCH_IDLE && (options->requests == 0) == (options->seconds == 0))
        missing = "one of --seconds and --requests";
    if (missing != NULL)
        (void)fprintf(stderr, "pledge-bench: %s is missing\n", missing);
    else if (options->threads > options->connections)
        (void)fprintf(stderr, "pledge-bench: --threads: no more than --connections\n");
    return missing == NULL && options->threads <= options->connections;
}

static bool parse_kind(const char *word, enum bench_kind *ret)
{
    for (size_t i = 0; i < PL_COUNT(kind_names); i++)
        if (strcmp(word, kind_names[i]) == 0) {
            *ret = (enum bench_kind)i;
            return true;
        }
    return false;
}

bool options_parse(int argc, char **argv, struct bench_options *ret)
{
    *ret = (struct bench_options){.host = "127.0.0.1",
                                  .tier = "or",
                                  .connections = 1,
                                  .threads = 1,
                                  .streams = 1,
                                  .batch = 1000,
                                  .contributors = 1};
    if (argc < 2 || !parse_kind(argv[1], &ret->kind))
        return usage();
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--fresh") == 0) {
            ret->fresh = true;
            continue;
        }
        size_t at = 0;
        while (at < PL_COUNT(table) && strcmp(argv[i], table[at].name) != 0)
            at++;
        if (at == PL_COUNT(table) || i + 1 == argc)
            return usage();
        if (!set(&table[at], argv[++i], ret))
            return false;
    }
    return complete(ret);
}
