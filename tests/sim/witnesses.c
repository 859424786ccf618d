/* SPDX-License-Identifier: Apache-2.0
 *
 * witnesses: see witnesses.h. Their keys are the program's, all else is the seed's.
 */
#include "tests/sim/witnesses.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/note.h"
#include "common/tlog.h"
#include "server/store/io.h"
#include "server/witness.h"
#include "tests/sim/checkpoints.h"
#include "tests/sim/courier.h"
#include "tests/sim/dice.h"
#include "tests/sim/disk.h"

enum {
    ALL = 4,
    KEYS = ALL + 2, /* and a stranger, and who calls itself like the first */
    STRANGER = ALL,
    IMPOSTOR,
    LINE_BYTES = 200,
    UNSEEN_MAX = 64,
    POLICY_BYTES = 4096,
    NOTE_BYTES = 4096,
    REST_US = 1000000, /* who failed is left alone for that long */
    QUICK_MAX = 3,     /* failures in that time: sizes that were told are used at once */
    FAR = 500,         /* nobody signs so many entries behind our back */
};

static const char size_type[] = "text/x.tlog.size";

struct memory { /* of one witness, on its own disk */
    uint64_t size;
    struct pl_merkle_hash root;
};
struct witness {
    struct memory memory;
    bool forked; /* it was shown another history */
    /* of this life of the daemon */
    int64_t rest_until_us; /* it may not be asked before */
    int64_t first_us;      /* of failures within a second */
    unsigned failures;
    bool ahead, far; /* a size beyond what is signed came from it, and no cosignature since */
};
struct issued { /* a line that one of them wrote for a checkpoint of ours */
    unsigned by;
    uint64_t size, time_s;
    struct pl_merkle_hash root;
    char line[LINE_BYTES];
};
struct unseen {    /* a request that left */
    uint8_t *body; /* owns */
    size_t len;
};

enum quorum { NONE, ONE, SOME, NESTED };
struct policy {
    unsigned members[ALL], count;
    enum quorum quorum;
    unsigned number; /* of ONE: the member; of SOME: how many */
};

static struct { /* of the program */
    bool made;
    char vkey[KEYS][PL_NOTE_KEY_MAX];
    struct pl_note_signer *signer[KEYS];
} keys;

static struct {
    bool on, well, lied, late;
    struct dice dice;
    struct witnesses_ground ground;
    struct witnesses_report report;
    uint32_t wrong, forget, fork, feed; /* in a million */
    struct witness witness[ALL];
    struct issued *issued; /* owns */
    size_t issues, issue_cap;
    struct unseen unseen[UNSEEN_MAX];
    size_t unseens;
    struct policy policy;
    uint64_t told, ever; /* cosigned, shown: since the start; the last that was */
    uint64_t faults;     /* of the disk, before this start and those that came to nothing */
    bool starting;
    bool silent;      /* it was told of a size far beyond, and has had the time to act on it */
    bool may_silence; /* there is a reason for an alarm */
    uint64_t silence_sleeps, silence_seen;
    char error[200]; /* of what happens within the daemon's fibers */
} t;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    char line[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    t.ground.tell(line);
}

/* Told with the next look. */
__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    va_list args;
    if (t.error[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(t.error, sizeof(t.error), format, args);
    va_end(args);
}

static bool chance(uint32_t in_million)
{
    return !t.well && dice_hits(&t.dice, in_million);
}

static uint32_t one_of(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t choice[] = {a, b, c};
    return choice[dice_below(&t.dice, 3)];
}

static int64_t now_us(void)
{
    return t.ground.clock->mono_ns_now / 1000;
}

bool witnesses_on(void)
{
    return t.on;
}

struct witnesses_report witnesses_report(void)
{
    return t.report;
}

static uint64_t faults(void)
{
    uint64_t count = 0;
    for (int i = DISK_READ_FAILED; i <= DISK_FULL; i++)
        count += disk_count((enum disk_fault)i);
    return count;
}

/* --- the policy --- */

static bool is_enough(const struct policy *policy, unsigned seen)
{
    unsigned count = 0;
    for (unsigned i = 0; i < policy->count; i++)
        count += seen >> policy->members[i] & 1;
    switch (policy->quorum) {
    case NONE:
        return true;
    case ONE:
        return (seen >> policy->members[policy->number] & 1) != 0;
    case SOME:
        return count >= policy->number;
    case NESTED: /* one of the first two, and the third */
        return (seen >> policy->members[2] & 1) != 0 &&
               ((seen >> policy->members[0] | seen >> policy->members[1]) & 1) != 0;
    }
    return false;
}

static void choose_policy(struct policy *ret)
{
    *ret = (struct policy){.count = 0};
    while (ret->count == 0) {
        for (unsigned i = 0; i < ALL; i++) {
            if (dice_below(&t.dice, 3) != 0)
                ret->members[ret->count++] = i;
        }
    }
    uint64_t kind = dice_below(&t.dice, 8);
    ret->quorum = kind == 0 ? NONE : kind < 3 ? ONE : kind < 5 && ret->count >= 3 ? NESTED : SOME;
    ret->number = (unsigned)dice_below(&t.dice, ret->count) + (ret->quorum == SOME);
}

static void add(struct pl_buf *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct pl_buf *text, const char *format, ...)
{
    char line[2 * PL_NOTE_KEY_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    struct pl_status status = pl_buf_append_str(text, line);
    PL_ASSERT(pl_is_ok(status));
}

/* Some addresses end with a slash. */
static void write_policy(const struct policy *policy)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, POLICY_BYTES);
    for (unsigned i = 0; i < policy->count; i++)
        add(&text, "witness w%u %s http://w%u.sim%s\n", policy->members[i],
            keys.vkey[policy->members[i]], policy->members[i], i % 2 == 0 ? "" : "/");
    if (policy->quorum == SOME) {
        add(&text, "group g %u", policy->number);
        for (unsigned i = 0; i < policy->count; i++)
            add(&text, " w%u", policy->members[i]);
        add(&text, "\nquorum g\n");
    } else if (policy->quorum == NESTED) {
        add(&text, "group pair any w%u w%u\ngroup g all pair w%u\nquorum g\n", policy->members[0],
            policy->members[1], policy->members[2]);
    } else if (policy->quorum == ONE) {
        add(&text, "quorum w%u\n", policy->members[policy->number]);
    } else {
        add(&text, "quorum none\n");
    }
    struct pl_status status =
        io_write_file(io_system(), WITNESSES_POLICY, pl_buf_slice(&text), 0600);
    PL_ASSERT(pl_is_ok(status));
}

/* --- what they write --- */

static void make_keys(void)
{
    static const char *const name[KEYS] = {"w0.sim", "w1.sim",       "w2.sim",
                                           "w3.sim", "stranger.sim", "w0.sim"};
    if (keys.made)
        return;
    for (int i = 0; i < KEYS; i++) {
        char secret[PL_NOTE_KEY_MAX];
        struct pl_status status =
            pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name[i], secret, keys.vkey[i]);
        if (pl_is_ok(status))
            status = pl_note_signer_new(secret, &keys.signer[i]);
        PL_ASSERT(pl_is_ok(status));
    }
    keys.made = true;
}

/* Appends the line of this key. */
static void write_line(int key, uint64_t time_s, struct pl_slice text, struct courier_answer *ret)
{
    struct pl_buf line PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&line, LINE_BYTES);
    struct pl_status status = pl_note_cosign(keys.signer[key], time_s, text, &line);
    size_t len = pl_buf_len(&line);
    PL_ASSERT(pl_is_ok(status) && ret->len + len <= COURIER_ANSWER_MAX);
    memcpy(ret->bytes + ret->len, pl_buf_slice(&line).data, len);
    ret->len += len;
}

static void print(struct courier_answer *ret, long status, const char *type, const char *body)
{
    ret->status = status;
    ret->type = type;
    ret->len = strlen(body);
    memcpy(ret->bytes, body, ret->len);
}

static void print_size(struct courier_answer *ret, uint64_t size)
{
    static const char *const types[] = {size_type, "text/x.tlog.size; charset=utf-8",
                                        "Text/X.Tlog.Size;v=1"};
    char body[32];
    (void)snprintf(body, sizeof(body), "%" PRIu64 "\n", size);
    print(ret, 409, types[dice_below(&t.dice, PL_COUNT(types))], body);
}

/* What it cosigns is on its disk before it says so. */
static void cosign(unsigned index, const struct pl_checkpoint *checkpoint, struct pl_slice text,
                   struct courier_answer *ret)
{
    struct witness *witness = &t.witness[index];
    witness->memory = (struct memory){checkpoint->size, checkpoint->root};
    t.issued = model_grow(t.issued, t.issues, &t.issue_cap, sizeof(*t.issued));
    struct issued *issued = &t.issued[t.issues++];
    *issued = (struct issued){.by = index,
                              .size = checkpoint->size,
                              .time_s = (uint64_t)(t.ground.clock->wall_us_now / 1000000),
                              .root = checkpoint->root};
    ret->status = 200;
    write_line((int)index, issued->time_s, text, ret);
    PL_ASSERT(ret->len < LINE_BYTES);
    memcpy(issued->line, ret->bytes, ret->len);
    issued->line[ret->len] = '\0';
}

/* As C2SP tlog-witness says. */
static void answer_well(unsigned index, const struct pl_add_checkpoint *ask,
                        const struct pl_checkpoint *checkpoint, struct pl_slice text,
                        struct courier_answer *ret)
{
    const struct memory *memory = &t.witness[index].memory;
    bool same = memory->size == checkpoint->size;
    if (ask->old_size > checkpoint->size) {
        wrong("a witness is asked from %" PRIu64 " to %" PRIu64, ask->old_size, checkpoint->size);
        print(ret, 400, NULL, "");
    } else if (ask->old_size != memory->size ||
               (same && !pl_merkle_eq(&memory->root, &checkpoint->root))) {
        print_size(ret, memory->size);
    } else if (memory->size != 0 &&
               !pl_is_ok(pl_merkle_check_consistency(memory->size, checkpoint->size, &memory->root,
                                                     &checkpoint->root, &ask->proof))) {
        if (!t.witness[index].forked && !t.lied)
            wrong("%" PRIu64 " entries do not extend the %" PRIu64 " that a witness cosigned",
                  checkpoint->size, memory->size);
        print(ret, 422, NULL, "");
    } else {
        cosign(index, checkpoint, text, ret);
    }
}

/* The newest line that it wrote for fewer entries; NULL: none. */
static const struct issued *older_line(unsigned index, uint64_t size)
{
    for (size_t i = t.issues; i > 0; i--) {
        if (t.issued[i - 1].by == index && t.issued[i - 1].size < size)
            return &t.issued[i - 1];
    }
    return NULL;
}

static void say_a_status(struct courier_answer *ret)
{
    static const long status[] = {301, 400, 403, 404, 422, 429, 500, 503};
    print(ret, status[dice_below(&t.dice, PL_COUNT(status))], "text/plain", "no\n");
}

/* A conflict that is none, or not told as one. */
static void say_a_size(uint64_t asked, struct courier_answer *ret)
{
    static const char *const bodies[] = {"", "7", "07\n", "-1\n", "99999999999999999999\n", "\n"};
    uint64_t newest = checkpoints_size();
    switch (dice_below(&t.dice, 12)) {
    case 0:
        print(ret, 409, "text/plain", "1\n");
        break;
    case 1:
        print_size(ret, newest + 1 + dice_below(&t.dice, 3));
        break;
    case 2:
        print_size(ret, newest + FAR + 1 + dice_below(&t.dice, 1000));
        break;
    case 3:
    case 4:
        print_size(ret, asked);
        break;
    case 5:
    case 6:
        print(ret, 409, size_type, bodies[dice_below(&t.dice, PL_COUNT(bodies))]);
        break;
    default:
        print_size(ret, dice_below(&t.dice, newest + 1));
        break;
    }
}

static void say_a_line(unsigned index, uint64_t size, struct pl_slice text,
                       struct courier_answer *ret)
{
    const uint64_t time_s = (uint64_t)(t.ground.clock->wall_us_now / 1000000);
    const struct issued *older = older_line(index, size);
    ret->status = 200;
    switch (dice_below(&t.dice, 6)) {
    case 0:
        write_line(STRANGER, time_s, text, ret);
        break;
    case 1:
        write_line(IMPOSTOR, time_s, text, ret);
        break;
    case 2: /* of the right key, and wrong */
        write_line((int)index, time_s, text, ret);
        ret->bytes[ret->len - 60] = ret->bytes[ret->len - 60] == 'A' ? 'B' : 'A';
        break;
    case 3:
        write_line((int)((index + 1) % ALL), time_s, text, ret);
        break;
    case 4:
        print(ret, 200, NULL, older != NULL ? older->line : "");
        break;
    case 5: /* more than anybody may say */
        memset(ret->bytes, 'x', COURIER_ANSWER_MAX);
        ret->len = COURIER_ANSWER_MAX;
        break;
    }
}

/* True, and with more beside it than was asked for. */
static void add_lines(unsigned index, struct pl_slice text, struct courier_answer *ret)
{
    if (ret->status != 200 || !chance(300000))
        return;
    const struct issued *last = &t.issued[t.issues - 1];
    if (dice_below(&t.dice, 2) == 0)
        write_line((int)index, last->time_s, text, ret); /* twice */
    else
        write_line(STRANGER, last->time_s, text, ret);
}

static void misbehave(unsigned index)
{
    struct witness *witness = &t.witness[index];
    const struct issued *older = older_line(index, witness->memory.size);
    if (chance(t.forget)) { /* its disk comes from an old copy */
        witness->memory = (struct memory){0};
        if (older != NULL && dice_below(&t.dice, 2) == 0)
            witness->memory = (struct memory){older->size, older->root};
        witness->forked = false;
        tell("witness %u forgets, and knows %" PRIu64, index, witness->memory.size);
    }
    if (chance(t.fork)) {
        witness->memory.size = 1 + dice_below(&t.dice, checkpoints_size() + 1);
        witness->memory.size -= witness->memory.size > checkpoints_size();
        memset(&witness->memory.root, (int)(1 + dice_below(&t.dice, 200)),
               sizeof(witness->memory.root));
        witness->forked = witness->memory.size != 0;
        tell("witness %u is shown another history of %" PRIu64, index, witness->memory.size);
    }
}

/* By the address alone; ALL: nobody lives there. */
static unsigned who(const char *url)
{
    for (unsigned i = 0; i < ALL; i++) {
        char mine[64];
        (void)snprintf(mine, sizeof(mine), "http://w%u.sim/add-checkpoint", i);
        if (strcmp(url, mine) == 0)
            return i;
    }
    return ALL;
}

static void arrived(const char *url, struct pl_slice body, struct courier_answer *ret)
{
    static struct pl_note note;
    struct pl_add_checkpoint ask;
    struct pl_checkpoint checkpoint;
    unsigned index = who(url);
    if (index == ALL || !pl_is_ok(pl_add_checkpoint_parse(body, &ask)) ||
        !pl_is_ok(pl_checkpoint_note(ask.checkpoint, &note, &checkpoint)) ||
        !checkpoints_is_signed(ask.checkpoint)) {
        wrong("a request to %s is none, or nothing that was signed", url);
        print(ret, 400, NULL, "");
        return;
    }
    misbehave(index);
    if (!chance(t.wrong)) {
        answer_well(index, &ask, &checkpoint, note.text, ret);
        add_lines(index, note.text, ret);
    } else if (dice_below(&t.dice, 3) == 0) {
        say_a_status(ret);
    } else if (dice_below(&t.dice, 2) == 0) {
        say_a_size(checkpoint.size, ret);
    } else {
        say_a_line(index, checkpoint.size, note.text, ret);
    }
    tell("witness %u, asked from %" PRIu64 " to %" PRIu64 ", answers %ld", index, ask.old_size,
         checkpoint.size, ret->status);
}

/* --- what leaves the daemon, and what it hears --- */

static void sent(const char *url, struct pl_slice body)
{
    unsigned index = who(url);
    t.report.asked++;
    if (index == ALL || t.unseens == UNSEEN_MAX) {
        wrong("a request to %s, or too many at a time", url);
        return;
    }
    const struct witness *witness = &t.witness[index];
    if (now_us() < witness->rest_until_us ||
        (witness->failures >= QUICK_MAX && now_us() < witness->first_us + REST_US))
        wrong("witness %u is asked again without a rest", index);
    struct unseen *unseen = &t.unseen[t.unseens++];
    unseen->body = malloc(body.len + 1);
    PL_ASSERT(unseen->body != NULL);
    memcpy(unseen->body, body.data, body.len);
    unseen->len = body.len;
}

/* A conflict's size, as one must be written; 0: none that is more than what is known. */
static uint64_t size_told(const char *type, struct pl_slice body)
{
    char text[32] = "";
    if (type == NULL || strncasecmp(type, size_type, sizeof(size_type) - 1) != 0 || body.len < 2 ||
        body.len > 8 || body.data[body.len - 1] != '\n')
        return 0;
    memcpy(text, body.data, body.len - 1);
    return strspn(text, "0123456789") == body.len - 1 && text[0] != '0' ? strtoull(text, NULL, 10)
                                                                        : 0;
}

/* The last line that it wrote is in what came. */
static bool has_line(unsigned index, struct pl_slice body)
{
    const struct issued *last = older_line(index, UINT64_MAX);
    return last != NULL && body.len != 0 &&
           memmem(body.data, body.len, last->line, strlen(last->line)) != NULL;
}

static bool must_be_silent(void)
{
    for (unsigned i = 0; i < ALL; i++) {
        if (t.witness[i].far)
            return true;
    }
    return false;
}

static void told(const char *url, long status, const char *type, struct pl_slice body)
{
    struct witness *witness = &t.witness[who(url) % ALL];
    if (status == 200 && has_line(who(url) % ALL, body))
        witness->failures = 0;
    uint64_t size = status == 409 ? size_told(type, body) : 0;
    if (status != 200) {
        if (status != 409)
            witness->rest_until_us = now_us() + REST_US;
        if (now_us() >= witness->first_us + REST_US) {
            witness->first_us = now_us();
            witness->failures = 0;
        }
        witness->failures++;
        t.report.refused++;
    }
    if (status == 200) /* perhaps right: then it may sign again */
        witness->ahead = witness->far = false;
    witness->ahead = witness->ahead || size > checkpoints_size();
    t.may_silence = t.may_silence || witness->ahead;
    if (size <= checkpoints_size() + FAR)
        return;
    if (!must_be_silent()) {
        t.silent = false;
        t.silence_sleeps = courier_sleeps();
        t.report.silenced++;
    }
    witness->far = true;
}

static void look_at_silence(void)
{
    if (!must_be_silent() || courier_sleeps() <= t.silence_sleeps)
        return;
    if (!t.silent) {
        t.silent = true;
        t.silence_seen = checkpoints_seen();
        tell("it is to be silent");
    }
    /* one was perhaps being signed */
    if (checkpoints_seen() > t.silence_seen + 1)
        wrong("it was told that more was cosigned than it signed, and goes on signing");
}

/* --- what it shows --- */

/* The line at the beginning of the text, as one of them wrote it for this size. */
static const struct issued *find_line(struct pl_slice text, uint64_t size)
{
    for (size_t i = t.issues; i > 0; i--) {
        const struct issued *issued = &t.issued[i - 1];
        size_t len = strlen(issued->line);
        if (issued->size == size && text.len >= len && memcmp(text.data, issued->line, len) == 0)
            return issued;
    }
    return NULL;
}

/* The order is the policy's, which is that of their numbers. */
bool witnesses_lines(struct pl_slice lines, uint64_t size, bool may)
{
    unsigned seen = 0;
    if (lines.len == 0)
        return true;
    while (lines.len != 0) {
        const struct issued *issued = may && t.on ? find_line(lines, size) : NULL;
        if (issued == NULL || seen >> issued->by != 0)
            return model_wrong(t.ground.model,
                               "behind the checkpoint over %" PRIu64
                               " entries stands what no witness wrote there",
                               size);
        seen |= 1u << issued->by;
        size_t len = strlen(issued->line);
        lines = pl_slice(lines.data + len, lines.len - len);
    }
    return t.late || is_enough(&t.policy, seen) ||
           model_wrong(t.ground.model,
                       "the checkpoint over %" PRIu64 " entries is not cosigned by enough", size);
}

void witnesses_late(bool late)
{
    t.late = late;
}

/* What is kept of it, if the power went now: the same, or what came after it. */
static bool is_kept(const struct signed_tree *tree)
{
    char kept[NOTE_BYTES];
    struct pl_checkpoint checkpoint;
    static struct pl_note note;
    size_t len = checkpoints_durable_file("/d/checkpoint.cosigned", kept, sizeof(kept));
    bool fine = pl_is_ok(pl_checkpoint_note(pl_slice(kept, len), &note, &checkpoint)) &&
                (checkpoint.size > tree->checkpoint.size ||
                 (checkpoint.size == tree->checkpoint.size && len >= tree->len));
    return fine ||
           model_wrong(t.ground.model,
                       "a cosigned checkpoint over %" PRIu64 " entries is out, and not on the disk",
                       tree->checkpoint.size);
}

static bool check_tree(const struct signed_tree *tree, uint64_t durable)
{
    if (tree == NULL)
        return t.told == 0 ||
               model_wrong(t.ground.model, "what was cosigned is not shown any more");
    uint64_t size = tree->checkpoint.size;
    if (size < t.told)
        return model_wrong(t.ground.model,
                           "a cosigned checkpoint over %" PRIu64 " entries after %" PRIu64, size,
                           t.told);
    t.report.cosigned += size > t.told;
    if (size > t.told)
        tell("%" PRIu64 " entries are cosigned", size);
    t.told = t.ever = size;
    return checkpoints_exact(pl_slice(tree->note, tree->len), size, durable, true) &&
           (t.lied || is_kept(tree));
}

static bool was_issued(unsigned by, uint64_t size, uint64_t time_s)
{
    for (size_t i = t.issues; i > 0; i--) {
        const struct issued *issued = &t.issued[i - 1];
        if (issued->by == by && issued->size == size && issued->time_s == time_s)
            return true;
    }
    return false;
}

/* Who cosigned what, as it is told to people. */
static bool check_witness(const struct cosign_witness *told, unsigned by)
{
    static const char alarm[] = "it cosigned more than what was signed here";
    char name[8];
    (void)snprintf(name, sizeof(name), "w%u", by);
    if (strcmp(told->trouble, alarm) == 0 && !t.may_silence)
        return model_wrong(t.ground.model, "a false alarm: %s cosigned no more than was signed",
                           name);
    return (strcmp(told->name, name) == 0 && strcmp(told->vkey, keys.vkey[by]) == 0 &&
            (told->size == 0 || was_issued(by, told->size, told->time_s))) ||
           model_wrong(t.ground.model, "%s is said to have cosigned %" PRIu64 ", and has not",
                       told->name, told->size);
}

static bool check_report(const struct cosign_report *report, uint64_t durable)
{
    if (report->count != t.policy.count)
        return model_wrong(t.ground.model, "a report on %zu witnesses of %u", report->count,
                           t.policy.count);
    for (unsigned i = 0; i < t.policy.count; i++) {
        if (!check_witness(&report->witness[i], t.policy.members[i]))
            return false;
    }
    return check_tree(report->tree, durable);
}

bool witnesses_unseen(void)
{
    return t.unseens != 0;
}

bool witnesses_judge(uint64_t durable)
{
    bool fine = true;
    for (size_t i = 0; i < t.unseens; i++) {
        struct unseen *unseen = &t.unseen[i];
        fine = fine && checkpoints_sent(pl_slice(unseen->body, unseen->len), durable);
        free(unseen->body);
    }
    t.unseens = 0;
    return fine;
}

bool witnesses_look(struct witness_thread *thread, struct notary *notary, uint64_t durable)
{
    (void)notary;
    if (!witnesses_judge(durable))
        return false;
    struct cosign_report *report = pl_slot_take(witness_slot(thread, 0));
    bool fine = report == NULL || check_report(report, durable);
    cosign_report_unref(report);
    look_at_silence();
    return fine && (t.error[0] == '\0' || model_wrong(t.ground.model, "%s", t.error));
}

bool witnesses_started(struct witness_thread *thread, uint64_t size, bool lied)
{
    const uint64_t before = t.ever;
    struct cosign_report *report = pl_slot_take(witness_slot(thread, 0));
    PL_ASSERT(report != NULL);
    t.lied = lied;
    t.starting = false;
    t.told = 0;
    bool fine = check_report(report, lied ? 0 : size);
    cosign_report_unref(report);
    /* where it cannot be read now, or written, it has to be gathered anew */
    if (fine && !lied && t.told < before && faults() == t.faults)
        return model_wrong(t.ground.model,
                           "%" PRIu64 " entries were shown as cosigned, and after a start %" PRIu64,
                           before, t.told);
    t.ever = t.told; /* what was put aside does not come back */
    return fine;
}

/* --- a run --- */

void witnesses_begin(const struct witnesses_ground *ground, bool on)
{
    memset(&t, 0, sizeof(t));
    t.on = on;
    t.ground = *ground;
    t.dice.state = ground->seed;
    if (!on)
        return;
    make_keys();
    t.wrong = one_of(0, 50000, 400000);
    t.forget = one_of(0, 0, 50000);
    t.fork = one_of(0, 0, 30000);
    t.feed = one_of(0, 10000, 100000);
    const struct courier_odds odds = {.refused = one_of(0, 20000, 200000),
                                      .lost = one_of(0, 0, 50000),
                                      .unanswered = one_of(0, 20000, 100000),
                                      .cut = one_of(0, 50000, 300000),
                                      .doubled = one_of(0, 50000, 300000),
                                      .slow = one_of(0, 0, 100000)};
    const struct courier_ground network = {&t.dice, ground->clock, sent, arrived, told};
    courier_begin(&network, odds);
    choose_policy(&t.policy);
    write_policy(&t.policy);
}

void witnesses_end(void)
{
    (void)witnesses_judge(0);
    courier_end();
    free(t.issued);
    memset(&t, 0, sizeof(t));
}

void witnesses_start(void)
{
    if (!t.on)
        return;
    t.may_silence = t.silent = false;
    t.told = 0;
    if (!t.starting)
        t.faults = faults();
    t.starting = true;
    for (int i = 0; i < ALL; i++) {
        t.witness[i].rest_until_us = 0;
        t.witness[i].failures = 0;
        t.witness[i].ahead = t.witness[i].far = false;
    }
    if (!t.well && dice_below(&t.dice, 6) == 0) {
        choose_policy(&t.policy);
        write_policy(&t.policy);
        t.ever = 0; /* what was enough may be no more */
    }
}

/* Whoever has what was published may bring it to a witness. */
static void feed(void)
{
    struct witness *witness = &t.witness[dice_below(&t.dice, ALL)];
    struct memory newest = {.size = checkpoints_newest(&newest.root)};
    if (witness->forked || newest.size <= witness->memory.size)
        return;
    witness->memory = newest;
    t.report.fed++;
    tell("witness %ld is brought %" PRIu64, (long)(witness - t.witness), newest.size);
}

bool witnesses_move(void)
{
    if (!t.on)
        return false;
    if (chance(t.feed))
        feed();
    return courier_move();
}

void witnesses_repair(void)
{
    if (!t.on)
        return;
    t.well = true;
    courier_be_well();
    for (unsigned i = 0; i < ALL; i++) {
        const struct issued *last = older_line(i, UINT64_MAX);
        if (!t.witness[i].forked)
            continue;
        t.witness[i].forked = false;
        t.witness[i].memory =
            last != NULL ? (struct memory){last->size, last->root} : (struct memory){0};
    }
}

bool witnesses_silenced(void)
{
    for (unsigned i = 0; i < ALL; i++) {
        if (t.witness[i].ahead)
            return true;
    }
    return false;
}

uint64_t witnesses_told(void)
{
    return t.told;
}
