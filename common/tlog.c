/* SPDX-License-Identifier: Apache-2.0
 *
 * tlog: see tlog.h. All texts are lines that end with a newline; what does not read exactly as it
 * would be written is refused.
 */
#include "common/tlog.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base64.h"
#include "common/check.h"

enum { HASH_BASE64_BYTES = 44, PATH_GROUPS_MAX = 7 };

static const char proof_head[] = "c2sp.org/tlog-proof@v1";

/* The next line, without its newline. False: there is none left that ends with one. */
static bool next_line(struct pl_slice *rest, struct pl_slice *ret)
{
    const uint8_t *newline = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    if (newline == NULL)
        return false;
    *ret = pl_slice(rest->data, (size_t)(newline - rest->data));
    *rest = pl_slice(newline + 1, rest->len - ret->len - 1);
    return true;
}

/* Takes a prefix off. */
static bool skip(struct pl_slice *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    *text = pl_slice(text->data + len, text->len - len);
    return true;
}

/* Decimal, no sign, no leading zero. */
static bool parse_number(struct pl_slice text, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.len == 0 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return value <= most;
}

static bool parse_hash(struct pl_slice text, struct pl_merkle_hash *ret)
{
    size_t len = 0;
    return text.len == HASH_BASE64_BYTES &&
           pl_is_ok(pl_unbase64_strict(text, ret->bytes, sizeof(ret->bytes), &len)) &&
           len == sizeof(ret->bytes);
}

static struct pl_status print_hash(const struct pl_merkle_hash *hash, struct pl_buf *out)
{
    PL_TRY(pl_base64(out, pl_slice(hash->bytes, sizeof(hash->bytes)), true));
    return pl_buf_append_str(out, "\n");
}

/* --- checkpoints --- */

struct pl_status pl_checkpoint_print(const struct pl_checkpoint *checkpoint, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size));
    return print_hash(&checkpoint->root, out);
}

struct pl_status pl_checkpoint_parse(struct pl_slice body, struct pl_checkpoint *ret)
{
    struct pl_slice rest = body, origin, size, root;
    if (!next_line(&rest, &origin) || !next_line(&rest, &size) || !next_line(&rest, &root))
        return pl_fail(INVALID, "a checkpoint has three lines");
    if (rest.len != 0)
        return pl_fail(INVALID, "the checkpoint has extension lines");
    if (origin.len == 0 || origin.len >= sizeof(ret->origin) ||
        memchr(origin.data, '\0', origin.len) != NULL)
        return pl_fail(INVALID, "the checkpoint's origin is empty or too long");
    if (!parse_number(size, PL_MERKLE_SIZE_MAX, &ret->size))
        return pl_fail(INVALID, "the checkpoint's size is not a number");
    if (!parse_hash(root, &ret->root))
        return pl_fail(INVALID, "the checkpoint's root is not a hash");
    memcpy(ret->origin, origin.data, origin.len);
    ret->origin[origin.len] = '\0';
    return pl_ok();
}

struct pl_status pl_checkpoint_note(struct pl_slice bytes, struct pl_note *ret_note,
                                    struct pl_checkpoint *ret)
{
    PL_TRY(pl_note_parse(bytes, ret_note));
    return pl_checkpoint_parse(ret_note->text, ret);
}

struct pl_status pl_checkpoint_open(struct pl_slice bytes, const struct pl_note_key *logs,
                                    size_t log_count, struct pl_checkpoint *ret,
                                    struct pl_note *ret_note)
{
    PL_ASSERT(log_count <= PL_TLOG_KEYS_MAX);
    struct pl_note here, *note = ret_note != NULL ? ret_note : &here;
    struct pl_note_seen seen[PL_TLOG_KEYS_MAX];
    PL_TRY(pl_checkpoint_note(bytes, note, ret));
    PL_TRY(pl_note_verify(note, logs, log_count, seen));
    for (size_t i = 0; i < log_count; i++) {
        if (seen[i].verified && strcmp(logs[i].name, ret->origin) == 0)
            return pl_ok();
    }
    return pl_fail(NOT_FOUND, "no key that is named like the log has signed");
}

/* --- tiles --- */

void pl_tile_path(const struct pl_tile *tile, char ret[PL_TILE_PATH_MAX])
{
    char number[40] = "", partial[8] = "";
    uint64_t left = tile->index;
    size_t at = sizeof(number) - 1;
    /* groups of three digits from the right; all but the last one have an x before them */
    for (bool last = true; last || left != 0; last = false) {
        if (!last)
            number[--at] = '/';
        for (int i = 0; i < 3; i++, left /= 10)
            number[--at] = (char)('0' + left % 10);
        if (!last)
            number[--at] = 'x';
    }
    if (tile->width < PL_MERKLE_TILE_WIDTH)
        (void)snprintf(partial, sizeof(partial), ".p/%u", tile->width & 0xFF);
    if (tile->entries)
        (void)snprintf(ret, PL_TILE_PATH_MAX, "tile/entries/%s%s", number + at, partial);
    else
        (void)snprintf(ret, PL_TILE_PATH_MAX, "tile/%u/%s%s", tile->level & 0x3F, number + at,
                       partial);
}

/* "x001/x234/067" and what follows it. */
static bool parse_groups(struct pl_slice *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (int group = 0; group < PATH_GROUPS_MAX; group++) {
        bool more = skip(rest, "x");
        if (rest->len < 3)
            return false;
        uint64_t three = 0;
        for (int i = 0; i < 3; i++) {
            unsigned digit = (unsigned)rest->data[i] - '0';
            if (digit > 9)
                return false;
            three = three * 10 + digit;
        }
        if (value > (PL_MERKLE_SIZE_MAX - three) / 1000)
            return false;
        value = value * 1000 + three;
        *rest = pl_slice(rest->data + 3, rest->len - 3);
        if (!more) {
            *ret = value;
            return true;
        }
        if (!skip(rest, "/"))
            return false;
    }
    return false;
}

struct pl_status pl_tile_path_parse(struct pl_slice path, struct pl_tile *ret)
{
    static const struct pl_status no = {PL_E_INVALID, 0, "not the path of a tile", PL_WHERE};
    struct pl_slice rest = path;
    uint64_t level = 0, width = PL_MERKLE_TILE_WIDTH;
    *ret = (struct pl_tile){0};
    if (!skip(&rest, "tile/"))
        return no;
    ret->entries = skip(&rest, "entries/");
    if (!ret->entries) {
        const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
        size_t digits = slash == NULL ? 0 : (size_t)(slash - rest.data);
        if (!parse_number(pl_slice(rest.data, digits), PL_TILE_LEVEL_MAX, &level))
            return no;
        rest = pl_slice(rest.data + digits + 1, rest.len - digits - 1);
    }
    if (!parse_groups(&rest, &ret->index))
        return no;
    if (skip(&rest, ".p/") && (!parse_number(rest, PL_MERKLE_TILE_WIDTH - 1, &width) || width == 0))
        return no;
    if (width == PL_MERKLE_TILE_WIDTH && rest.len != 0)
        return no;
    ret->level = (unsigned)level;
    ret->width = (unsigned)width;
    /* one tile, one path: "x000/001" is none */
    char exact[PL_TILE_PATH_MAX];
    pl_tile_path(ret, exact);
    return pl_slice_eq_str(path, exact) ? pl_ok() : no;
}

uint64_t pl_tile_hashes(unsigned level, uint64_t size)
{
    return level * PL_MERKLE_TILE_HEIGHT > 63 ? 0 : size >> (level * PL_MERKLE_TILE_HEIGHT);
}

unsigned pl_tile_width(unsigned level, uint64_t index, uint64_t size)
{
    uint64_t hashes = pl_tile_hashes(level, size);
    if (index > hashes / PL_MERKLE_TILE_WIDTH)
        return 0;
    uint64_t left = hashes - index * PL_MERKLE_TILE_WIDTH;
    return left > PL_MERKLE_TILE_WIDTH ? PL_MERKLE_TILE_WIDTH : (unsigned)left;
}

struct pl_status pl_bundle_append(struct pl_buf *bundle, struct pl_slice entry)
{
    if (entry.len > PL_BUNDLE_ENTRY_MAX)
        return pl_fail(TOO_BIG, "an entry is too long for a bundle");
    uint8_t *room = NULL;
    PL_TRY(pl_buf_reserve(bundle, 2 + entry.len, &room));
    room[0] = (uint8_t)(entry.len >> 8);
    room[1] = (uint8_t)entry.len;
    if (entry.len != 0)
        memcpy(room + 2, entry.data, entry.len);
    pl_buf_commit(bundle, 2 + entry.len);
    return pl_ok();
}

bool pl_bundle_next(struct pl_slice bundle, size_t *cursor, struct pl_slice *ret, bool *ret_damaged)
{
    *ret_damaged = false;
    if (*cursor == bundle.len)
        return false;
    size_t left = bundle.len - *cursor;
    size_t len =
        left < 2 ? 0 : (size_t)bundle.data[*cursor] << 8 | (size_t)bundle.data[*cursor + 1];
    if (left < 2 || left - 2 < len) {
        *ret_damaged = true;
        return false;
    }
    *ret = pl_slice(bundle.data + *cursor + 2, len);
    *cursor += 2 + len;
    return true;
}

/* --- proofs that stand alone --- */

/* Lines of hashes up to the empty line. */
static struct pl_status parse_hashes(struct pl_slice *rest, struct pl_merkle_proof *ret)
{
    struct pl_slice line;
    ret->count = 0;
    while (next_line(rest, &line)) {
        if (line.len == 0)
            return pl_ok();
        if (ret->count == PL_MERKLE_PROOF_MAX)
            return pl_fail(INVALID, "the proof has too many hashes");
        if (!parse_hash(line, &ret->hash[ret->count++]))
            return pl_fail(INVALID, "a line of the proof is not a hash");
    }
    return pl_fail(INVALID, "no empty line behind the proof's hashes");
}

static struct pl_status print_hashes(const struct pl_merkle_proof *proof, struct pl_buf *out)
{
    for (size_t i = 0; i < proof->count; i++)
        PL_TRY(print_hash(&proof->hash[i], out));
    return pl_buf_append_str(out, "\n");
}

struct pl_status pl_tlog_proof_print(const struct pl_tlog_proof *proof, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "%s\n", proof_head));
    if (proof->has_extra) {
        PL_TRY(pl_buf_append_str(out, "extra "));
        PL_TRY(pl_base64(out, proof->extra, true));
        PL_TRY(pl_buf_append_str(out, "\n"));
    }
    PL_TRY(pl_buf_printf(out, "index %" PRIu64 "\n", proof->index));
    PL_TRY(print_hashes(&proof->proof, out));
    return pl_buf_append(out, proof->checkpoint.data, proof->checkpoint.len);
}

struct pl_status pl_tlog_proof_parse(struct pl_slice text, struct pl_arena *arena,
                                     struct pl_tlog_proof *ret)
{
    struct pl_slice rest = text, line;
    *ret = (struct pl_tlog_proof){0};
    if (!next_line(&rest, &line) || !pl_slice_eq_str(line, proof_head))
        return pl_fail(INVALID, "not a proof of the form tlog-proof@v1");
    if (!next_line(&rest, &line))
        return pl_fail(INVALID, "the proof ends after its first line");
    if (skip(&line, "extra ")) {
        size_t size = line.len / 4 * 3, len = 0;
        uint8_t *bytes = pl_arena_alloc(arena, size + 1);
        if (bytes == NULL)
            return pl_fail(TOO_BIG, "the proof's extra data are too long");
        PL_TRY(pl_unbase64_strict(line, bytes, size, &len));
        ret->has_extra = true;
        ret->extra = pl_slice(bytes, len);
        if (!next_line(&rest, &line))
            return pl_fail(INVALID, "the proof ends after its extra data");
    }
    if (!skip(&line, "index ") || !parse_number(line, PL_MERKLE_SIZE_MAX, &ret->index))
        return pl_fail(INVALID, "the proof has no index");
    PL_TRY(parse_hashes(&rest, &ret->proof));
    ret->checkpoint = rest;
    return pl_ok();
}

/* --- requests to witnesses --- */

struct pl_status pl_add_checkpoint_print(const struct pl_add_checkpoint *request,
                                         struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "old %" PRIu64 "\n", request->old_size));
    PL_TRY(print_hashes(&request->proof, out));
    return pl_buf_append(out, request->checkpoint.data, request->checkpoint.len);
}

struct pl_status pl_add_checkpoint_parse(struct pl_slice text, struct pl_add_checkpoint *ret)
{
    struct pl_slice rest = text, line;
    *ret = (struct pl_add_checkpoint){0};
    if (!next_line(&rest, &line) || !skip(&line, "old ") ||
        !parse_number(line, PL_MERKLE_SIZE_MAX, &ret->old_size))
        return pl_fail(INVALID, "the request does not begin with the old size");
    PL_TRY(parse_hashes(&rest, &ret->proof));
    if (ret->old_size == 0 && ret->proof.count != 0)
        return pl_fail(INVALID, "nothing proves that the empty log is a prefix");
    ret->checkpoint = rest;
    return pl_ok();
}

/* --- policy files --- */

enum {
    POLICY_ITEMS_MAX = PL_POLICY_WITNESSES_MAX + PL_POLICY_GROUPS_MAX + 4,
    POLICY_NONE = UINT16_MAX
};

/* One line of a policy, cut at blanks. */
struct policy_line {
    size_t count;
    struct pl_slice item[POLICY_ITEMS_MAX];
};

struct policy_parser {
    struct pl_policy *policy;
    struct pl_arena *arena;
    bool has_quorum;
    bool used[PL_POLICY_WITNESSES_MAX + PL_POLICY_GROUPS_MAX]; /* is a member already */
};

static const char *cut_line(struct pl_slice line, struct policy_line *ret)
{
    ret->count = 0;
    for (size_t at = 0; at < line.len;) {
        uint8_t c = line.data[at];
        if (c == ' ' || c == '\t') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < line.len && line.data[end] != ' ' && line.data[end] != '\t') {
            if (line.data[end] < 0x20 || line.data[end] == 0x7F)
                return "a control byte";
            end++;
        }
        if (ret->count == 0 && c == '#')
            return NULL;
        if (ret->count == POLICY_ITEMS_MAX)
            return "too many words";
        ret->item[ret->count++] = pl_slice(line.data + at, end - at);
        at = end;
    }
    return NULL;
}

/* A witness or a group; POLICY_NONE if there is none of this name. */
static uint16_t find_name(const struct pl_policy *policy, struct pl_slice name)
{
    for (size_t i = 0; i < policy->witness_count; i++) {
        if (pl_slice_eq_str(name, policy->witness_name[i]))
            return (uint16_t)i;
    }
    for (size_t i = 0; i < policy->group_count; i++) {
        if (pl_slice_eq_str(name, policy->group[i].name))
            return (uint16_t)(PL_POLICY_WITNESSES_MAX + i);
    }
    return POLICY_NONE;
}

static const char *keep_text(struct policy_parser *parser, struct pl_slice text, const char **ret)
{
    *ret = pl_arena_memdup(parser->arena, text.data, text.len);
    return *ret == NULL ? "the policy is too long" : NULL;
}

static const char *new_name(const struct pl_policy *policy, struct pl_slice name)
{
    if (pl_slice_eq_str(name, "none"))
        return "the name 'none' has a meaning already";
    return find_name(policy, name) != POLICY_NONE ? "this name is taken already" : NULL;
}

static bool has_key(const struct pl_note_key *keys, size_t count, const struct pl_note_key *key)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(keys[i].public_key, key->public_key, sizeof(key->public_key)) == 0)
            return true;
    }
    return false;
}

static const char *take_log(struct policy_parser *parser, const struct policy_line *line)
{
    struct pl_policy *policy = parser->policy;
    struct pl_note_key *key = &policy->log[policy->log_count];
    if (line->count != 2 && line->count != 3)
        return "expected: log <vkey> [<url>]";
    if (policy->log_count == PL_POLICY_LOGS_MAX)
        return "too many logs";
    if (!pl_is_ok(pl_note_key_parse(line->item[1], key)) || key->kind != PL_NOTE_ED25519)
        return "not the verifier key of a log";
    if (has_key(policy->log, policy->log_count, key))
        return "this key is there already";
    policy->log_url[policy->log_count] = NULL;
    const char *wrong = line->count < 3
                            ? NULL
                            : keep_text(parser, line->item[2], &policy->log_url[policy->log_count]);
    if (wrong == NULL)
        policy->log_count++;
    return wrong;
}

static const char *take_witness(struct policy_parser *parser, const struct policy_line *line)
{
    struct pl_policy *policy = parser->policy;
    size_t at = policy->witness_count;
    if (line->count != 3 && line->count != 4)
        return "expected: witness <name> <vkey> [<url>]";
    if (at == PL_POLICY_WITNESSES_MAX)
        return "too many witnesses";
    const char *wrong = new_name(policy, line->item[1]);
    if (wrong != NULL)
        return wrong;
    struct pl_note_key *key = &policy->witness[at];
    if (!pl_is_ok(pl_note_key_parse(line->item[2], key)) || key->kind != PL_NOTE_COSIGNATURE)
        return "not the verifier key of a witness (kind 4)";
    if (has_key(policy->witness, at, key))
        return "this key is there already";
    policy->witness_url[at] = NULL;
    wrong = keep_text(parser, line->item[1], &policy->witness_name[at]);
    if (wrong == NULL && line->count == 4)
        wrong = keep_text(parser, line->item[3], &policy->witness_url[at]);
    if (wrong == NULL)
        policy->witness_count++;
    return wrong;
}

static const char *take_members(struct policy_parser *parser, const struct policy_line *line,
                                struct pl_policy_group *group)
{
    group->member_count = line->count - 3;
    group->member = pl_arena_alloc(parser->arena, group->member_count * sizeof(group->member[0]));
    if (group->member == NULL)
        return "the policy is too long";
    for (size_t i = 0; i < group->member_count; i++) {
        uint16_t found = find_name(parser->policy, line->item[3 + i]);
        if (found == POLICY_NONE)
            return "a member is not defined above";
        if (parser->used[found])
            return "a member is one already, here or in another group";
        parser->used[found] = true;
        group->member[i] = found;
    }
    return NULL;
}

static const char *take_group(struct policy_parser *parser, const struct policy_line *line)
{
    struct pl_policy *policy = parser->policy;
    struct pl_policy_group *group = &policy->group[policy->group_count];
    if (line->count < 4)
        return "expected: group <name> <k>|any|all <name>...";
    if (policy->group_count == PL_POLICY_GROUPS_MAX)
        return "too many groups";
    const char *wrong = new_name(policy, line->item[1]);
    if (wrong == NULL)
        wrong = take_members(parser, line, group);
    if (wrong != NULL)
        return wrong;
    uint64_t threshold = 1;
    if (pl_slice_eq_str(line->item[2], "all"))
        threshold = group->member_count;
    else if (!pl_slice_eq_str(line->item[2], "any") &&
             (!parse_number(line->item[2], group->member_count, &threshold) || threshold == 0))
        return "the threshold is not from 1 to the number of members";
    group->threshold = (unsigned)threshold;
    wrong = keep_text(parser, line->item[1], &group->name);
    if (wrong == NULL)
        policy->group_count++;
    return wrong;
}

static const char *take_quorum(struct policy_parser *parser, const struct policy_line *line)
{
    if (line->count != 2)
        return "expected: quorum <name>|none";
    if (parser->has_quorum)
        return "there is a quorum line already";
    parser->has_quorum = true;
    parser->policy->quorum_none = pl_slice_eq_str(line->item[1], "none");
    parser->policy->quorum = find_name(parser->policy, line->item[1]);
    return parser->policy->quorum_none || parser->policy->quorum != POLICY_NONE
               ? NULL
               : "the quorum's name is not defined above";
}

static const char *take_line(struct policy_parser *parser, const struct policy_line *line)
{
    static const struct {
        const char *word;
        const char *(*take)(struct policy_parser *parser, const struct policy_line *line);
    } kinds[] = {{"log", take_log},
                 {"witness", take_witness},
                 {"group", take_group},
                 {"quorum", take_quorum}};
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        if (pl_slice_eq_str(line->item[0], kinds[i].word))
            return kinds[i].take(parser, line);
    }
    return "expected: log, witness, group or quorum";
}

struct pl_status pl_policy_parse(struct pl_slice text, struct pl_arena *arena,
                                 struct pl_policy *ret, char *message)
{
    struct policy_parser parser = {.policy = ret, .arena = arena};
    struct pl_slice rest = text, bytes;
    struct policy_line line;
    unsigned number = 0;
    const char *wrong = text.len > PL_POLICY_BYTES_MAX ? "the policy is too long" : NULL;
    *ret = (struct pl_policy){0};
    message[0] = '\0';
    while (wrong == NULL && next_line(&rest, &bytes)) {
        number++;
        wrong = cut_line(bytes, &line);
        if (wrong == NULL && line.count != 0)
            wrong = take_line(&parser, &line);
    }
    if (wrong == NULL && rest.len != 0)
        wrong = "the last line has no end";
    if (wrong == NULL && !parser.has_quorum)
        wrong = "there is no quorum line";
    if (wrong == NULL)
        return pl_ok();
    (void)snprintf(message, 200, "line %u: %s", number, wrong);
    return pl_fail(INVALID, "read a policy");
}

bool pl_policy_quorum(const struct pl_policy *policy, const struct pl_note_seen *seen)
{
    if (policy->quorum_none)
        return true;
    bool met[PL_POLICY_WITNESSES_MAX + PL_POLICY_GROUPS_MAX] = {false};
    for (size_t i = 0; i < policy->witness_count; i++)
        met[i] = seen[i].verified;
    /* members stand above their groups */
    for (size_t g = 0; g < policy->group_count; g++) {
        const struct pl_policy_group *group = &policy->group[g];
        unsigned count = 0;
        for (size_t i = 0; i < group->member_count; i++)
            count += met[group->member[i]] ? 1 : 0;
        met[PL_POLICY_WITNESSES_MAX + g] = count >= group->threshold;
    }
    return met[policy->quorum];
}
