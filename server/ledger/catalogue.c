/* SPDX-License-Identifier: Apache-2.0
 *
 * catalogue: judging the year's offers, and sharing an adopted version. Validation names the path
 * of the first wrong field; nothing of a wrong catalogue is taken. Happy path: validate NULL, then
 * new. Failure: new is CORRUPT for bytes that are no well-formed catalogue.
 */
#include "server/ledger/catalogue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/money.h"
#include "common/scan.h"
#include "server/ledger/ledger.h"

enum {
    TIERS_MAX = 64,
    GROUPS_MAX = 16,
    SECTIONS_MAX = 32,
    BENEFITS_MAX = 256,
    GRANTS_MAX = 4096,
    CATALOGUE_BYTES_MAX = 48 * 1024,
    CATALOGUE_ARENA_BYTES = 8 << 20,
    CODE_MAX = 32,
    ALIASES_MAX = 16,
    STEADY_PATH_BYTES = 120,
    LISTS_MAX = 64, /* legal bases, contacts: nobody needs more, and each is looked at */
};
#define ROOT "adopt_catalogue.catalogue"

struct judge {
    struct pl_arena *arena;
    Pledged__V1__Refusal *refusal; /* the first problem */
};

__attribute__((format(printf, 3, 4))) static bool wrong(struct judge *judge, const char *what,
                                                        const char *path, ...)
{
    char text[200];
    va_list args;
    if (judge->refusal != NULL)
        return false;
    va_start(args, path);
    (void)vsnprintf(text, sizeof(text), path, args);
    va_end(args);
    Pledged__V1__Refusal *refusal = pl_arena_alloc(judge->arena, sizeof(*refusal));
    char *field = pl_arena_printf(judge->arena, ROOT "%s%s", text[0] != '\0' ? "." : "", text);
    if (refusal == NULL || field == NULL) {
        judge->refusal = (Pledged__V1__Refusal *)(uintptr_t)&ledger_too_large;
        return false;
    }
    pledged__v1__refusal__init(refusal);
    refusal->reason = PLEDGED__V1__REASON__REASON_CATALOGUE_INVALID;
    refusal->field = field;
    refusal->message = (char *)(uintptr_t)what;
    judge->refusal = refusal;
    return false;
}

static bool is_code(const char *text, bool capitals)
{
    size_t len = strlen(text);
    static const char small[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    static const char both[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    return len != 0 && len <= CODE_MAX && strspn(text, capitals ? both : small) == len;
}

/* Texts in some languages, each once, at most one authentic. */
static bool texts(struct judge *judge, Pledged__V1__Text *const *text, size_t count, bool needed,
                  const char *path)
{
    size_t authentic = 0;
    if (needed && count == 0)
        return wrong(judge, "a text is needed", "%s", path);
    for (size_t i = 0; i < count; i++) {
        if (strlen(text[i]->lang) != 2 || strspn(text[i]->lang, "abcdefghijklmnopqrstuvwxyz") != 2)
            return wrong(judge, "a language has two small letters", "%s[%zu].lang", path, i);
        if (text[i]->text[0] == '\0' || strlen(text[i]->text) > 2000)
            return wrong(judge, "1 to 2000 bytes are needed", "%s[%zu].text", path, i);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(text[i]->lang, text[k]->lang) == 0)
                return wrong(judge, "the language stands twice", "%s[%zu].lang", path, i);
        }
        authentic += text[i]->authentic != 0;
    }
    if (authentic <= 1)
        return true;
    return wrong(judge, "more than one authentic text", "%s", path);
}

static bool date(struct judge *judge, const char *text, bool needed, const char *path)
{
    if (text[0] == '\0')
        return needed ? wrong(judge, "a date is needed", "%s", path) : true;
    if (pl_date_valid(text))
        return true;
    return wrong(judge, pl_date_wrong(text), "%s", path);
}

static bool count_fits(struct judge *judge, size_t count, size_t least, size_t most,
                       const char *path)
{
    if (count >= least && count <= most)
        return true;
    return wrong(judge, "too few or too many", "%s", path);
}

static bool frame(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    if (!is_code(c->code, false))
        return wrong(judge, "small letters, digits and hyphens are needed", "code");
    if (c->version == 0)
        return wrong(judge, "versions begin with 1", "version");
    if (!texts(judge, c->title, c->n_title, true, "title") ||
        !date(judge, c->closes, false, "closes"))
        return false;
    if (c->fund == NULL)
        return wrong(judge, "a fund is needed", "fund");
    if (pl_currency_index(c->fund->currency) < 0)
        return wrong(judge, "not a currency of ISO 4217", "fund.currency");
    if (!texts(judge, c->fund->name, c->fund->n_name, true, "fund.name"))
        return false;
    if (c->event != NULL) {
        if (!texts(judge, c->event->name, c->event->n_name, true, "event.name") ||
            !texts(judge, c->event->place, c->event->n_place, false, "event.place") ||
            !date(judge, c->event->starts, true, "event.starts") ||
            !date(judge, c->event->ends, true, "event.ends"))
            return false;
        if (strcmp(c->event->starts, c->event->ends) > 0)
            return wrong(judge, "the event ends before it starts", "event.ends");
    }
    if (c->event != NULL && c->event->country[0] != '\0' &&
        (strlen(c->event->country) != 2 ||
         strspn(c->event->country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2))
        return wrong(judge, "a country has two capital letters (ISO 3166)", "event.country");
    return c->letter == NULL ||
           (date(judge, c->letter->date, true, "letter.date") &&
            texts(judge, c->letter->reference, c->letter->n_reference, false, "letter.reference") &&
            texts(judge, c->letter->subject, c->letter->n_subject, false, "letter.subject"));
}

/* What people read and no rule asks for. */
static bool papers(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    char path[48];
    if (!count_fits(judge, c->n_legal_basis, 0, LISTS_MAX, "legal_basis") ||
        !count_fits(judge, c->n_contact, 0, LISTS_MAX, "contact"))
        return false;
    for (size_t i = 0; i < c->n_legal_basis; i++) {
        const Pledged__V1__LegalBasis *basis = c->legal_basis[i];
        (void)snprintf(path, sizeof(path), "legal_basis[%zu].date", i);
        if (!date(judge, basis->date, false, path))
            return false;
        (void)snprintf(path, sizeof(path), "legal_basis[%zu].body", i);
        if (!texts(judge, basis->body, basis->n_body, false, path))
            return false;
        (void)snprintf(path, sizeof(path), "legal_basis[%zu].effect", i);
        if (!texts(judge, basis->effect, basis->n_effect, false, path))
            return false;
    }
    for (size_t i = 0; i < c->n_contact; i++) {
        (void)snprintf(path, sizeof(path), "contact[%zu].function", i);
        if (!texts(judge, c->contact[i]->function, c->contact[i]->n_function, false, path))
            return false;
    }
    return true;
}

static bool policy(struct judge *judge, const Pledged__V1__CataloguePolicy *p)
{
    const int64_t year_s = 366LL * 86400;
    if (p == NULL)
        return wrong(judge, "a policy is needed", "policy");
    if (p->hold_max_s < 1 || p->hold_max_s > year_s)
        return wrong(judge, "1 second to 366 days are needed", "policy.hold_max_s");
    if (p->hold_default_s < 1 || p->hold_default_s > p->hold_max_s)
        return wrong(judge, "1 second to hold_max_s are needed", "policy.hold_default_s");
    if (p->hold_grace_s < 0 || p->hold_grace_s > year_s)
        return wrong(judge, "0 seconds to 366 days are needed", "policy.hold_grace_s");
    if (p->hold_extensions_max > 100)
        return wrong(judge, "at most 100", "policy.hold_extensions_max");
    if (p->promotion_hold_s < 1 || p->promotion_hold_s > year_s)
        return wrong(judge, "1 second to 366 days are needed", "policy.promotion_hold_s");
    return true;
}

static bool labelled(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    char path[40];
    if (!count_fits(judge, c->n_group, 1, GROUPS_MAX, "group") ||
        !count_fits(judge, c->n_section, 0, SECTIONS_MAX, "section"))
        return false;
    for (size_t i = 0; i < c->n_group; i++) {
        (void)snprintf(path, sizeof(path), "group[%zu].label", i);
        if (!is_code(c->group[i]->code, false))
            return wrong(judge, "small letters, digits and hyphens are needed", "group[%zu].code",
                         i);
        if (!texts(judge, c->group[i]->label, c->group[i]->n_label, true, path))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c->group[i]->code, c->group[k]->code) == 0)
                return wrong(judge, "the code stands twice", "group[%zu].code", i);
        }
    }
    for (size_t i = 0; i < c->n_section; i++) {
        (void)snprintf(path, sizeof(path), "section[%zu].label", i);
        if (!is_code(c->section[i]->code, true))
            return wrong(judge, "letters, digits and hyphens are needed", "section[%zu].code", i);
        if (!texts(judge, c->section[i]->label, c->section[i]->n_label, true, path))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c->section[i]->code, c->section[k]->code) == 0)
                return wrong(judge, "the code stands twice", "section[%zu].code", i);
        }
    }
    return true;
}

/* ASCII letters without regard to case. */
static bool same_word(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char left = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        char right = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (left != right)
            return false;
    }
    return *a == *b;
}

static bool names_tier(const Pledged__V1__Tier *tier, const char *word)
{
    if (same_word(tier->code, word))
        return true;
    for (size_t i = 0; i < tier->n_alias; i++) {
        if (same_word(tier->alias[i], word))
            return true;
    }
    return false;
}

static bool tier_names(struct judge *judge, const Pledged__V1__Catalogue *c, size_t i)
{
    const Pledged__V1__Tier *tier = c->tier[i];
    if (!is_code(tier->code, false) || same_word(tier->code, "free"))
        return wrong(judge, "small letters, digits and hyphens are needed, and not 'free'",
                     "tier[%zu].code", i);
    if (tier->n_alias > ALIASES_MAX)
        return wrong(judge, "at most 16 aliases", "tier[%zu].alias", i);
    for (size_t k = 0; k < i; k++) {
        if (names_tier(c->tier[k], tier->code))
            return wrong(judge, "another tier has this name", "tier[%zu].code", i);
        for (size_t a = 0; a < tier->n_alias; a++) {
            if (names_tier(c->tier[k], tier->alias[a]))
                return wrong(judge, "another tier has this name", "tier[%zu].alias[%zu]", i, a);
        }
    }
    for (size_t a = 0; a < tier->n_alias; a++) {
        if (!is_code(tier->alias[a], false) || same_word(tier->alias[a], "free"))
            return wrong(judge, "small letters, digits and hyphens are needed, and not 'free'",
                         "tier[%zu].alias[%zu]", i, a);
    }
    return true;
}

static bool tier_terms(struct judge *judge, const Pledged__V1__Catalogue *c, size_t i)
{
    const Pledged__V1__Tier *tier = c->tier[i];
    bool group = false;
    for (size_t k = 0; k < c->n_group; k++)
        group = group || strcmp(c->group[k]->code, tier->group) == 0;
    if (!group)
        return wrong(judge, "there is no such group", "tier[%zu].group", i);
    if (tier->capacity == NULL || tier->capacity->value_case == PLEDGED__V1__COUNT__VALUE__NOT_SET)
        return wrong(judge, "a count, or unlimited, is needed", "tier[%zu].capacity", i);
    if (tier->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT &&
        (tier->capacity->count < 0 || tier->capacity->count > 1000000000))
        return wrong(judge, "0 to 1,000,000,000", "tier[%zu].capacity.count", i);
    if (tier->capacity->value_case == PLEDGED__V1__COUNT__VALUE_UNLIMITED &&
        !tier->capacity->unlimited)
        return wrong(judge, "true is the only value", "tier[%zu].capacity.unlimited", i);
    if (tier->price_case == PLEDGED__V1__TIER__PRICE__NOT_SET)
        return wrong(judge, "an amount, or on_request, is needed", "tier[%zu].price", i);
    if (tier->price_case == PLEDGED__V1__TIER__PRICE_AMOUNT &&
        (tier->amount->minor <= 0 || pl_currency_index(tier->amount->currency) < 0))
        return wrong(judge, "a positive amount of an ISO 4217 currency is needed",
                     "tier[%zu].amount", i);
    return true;
}

static bool tiers(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    char path[48];
    if (!count_fits(judge, c->n_tier, 1, TIERS_MAX, "tier"))
        return false;
    for (size_t i = 0; i < c->n_tier; i++) {
        (void)snprintf(path, sizeof(path), "tier[%zu].label", i);
        if (!tier_names(judge, c, i) || !tier_terms(judge, c, i) ||
            !texts(judge, c->tier[i]->label, c->tier[i]->n_label, true, path))
            return false;
        (void)snprintf(path, sizeof(path), "tier[%zu].stated", i);
        if (!texts(judge, c->tier[i]->stated, c->tier[i]->n_stated, false, path))
            return false;
    }
    return true;
}

static bool benefits(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    char path[48];
    if (!count_fits(judge, c->n_benefit, 0, BENEFITS_MAX, "benefit"))
        return false;
    for (size_t i = 0; i < c->n_benefit; i++) {
        const Pledged__V1__Benefit *benefit = c->benefit[i];
        bool section = false;
        (void)snprintf(path, sizeof(path), "benefit[%zu].label", i);
        if (!is_code(benefit->code, true))
            return wrong(judge, "letters, digits and hyphens are needed", "benefit[%zu].code", i);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(benefit->code, c->benefit[k]->code) == 0)
                return wrong(judge, "the code stands twice", "benefit[%zu].code", i);
        }
        for (size_t k = 0; k < c->n_section; k++)
            section = section || strcmp(c->section[k]->code, benefit->section) == 0;
        if (!section)
            return wrong(judge, "there is no such section", "benefit[%zu].section", i);
        if (!texts(judge, benefit->label, benefit->n_label, true, path))
            return false;
        (void)snprintf(path, sizeof(path), "benefit[%zu].due", i);
        if (!date(judge, benefit->due, false, path))
            return false;
    }
    return true;
}

static int find_benefit(const Pledged__V1__Catalogue *c, const char *code)
{
    for (size_t i = 0; i < c->n_benefit; i++) {
        if (strcmp(c->benefit[i]->code, code) == 0)
            return (int)i;
    }
    return -1;
}

static int find_tier_code(const Pledged__V1__Catalogue *c, const char *code)
{
    for (size_t i = 0; i < c->n_tier; i++) {
        if (strcmp(c->tier[i]->code, code) == 0)
            return (int)i;
    }
    return -1;
}

static bool grants(struct judge *judge, const Pledged__V1__Catalogue *c)
{
    uint8_t seen[TIERS_MAX * BENEFITS_MAX / 8] = {0};
    char path[48];
    if (!count_fits(judge, c->n_grant, 0, GRANTS_MAX, "grant"))
        return false;
    for (size_t i = 0; i < c->n_grant; i++) {
        const Pledged__V1__Grant *grant = c->grant[i];
        int tier = find_tier_code(c, grant->tier), benefit = find_benefit(c, grant->benefit);
        if (tier < 0)
            return wrong(judge, "there is no such tier", "grant[%zu].tier", i);
        if (benefit < 0)
            return wrong(judge, "there is no such benefit", "grant[%zu].benefit", i);
        size_t cell = (size_t)tier * BENEFITS_MAX + (size_t)benefit;
        if ((seen[cell / 8] >> (cell % 8) & 1) != 0)
            return wrong(judge, "the tier has this benefit already", "grant[%zu]", i);
        seen[cell / 8] = (uint8_t)(seen[cell / 8] | 1u << (cell % 8));
        if (grant->quantity < 1 || grant->quantity > 1000000)
            return wrong(judge, "1 to 1,000,000", "grant[%zu].quantity", i);
        if (grant->unit == PLEDGED__V1__UNIT__UNIT_UNSPECIFIED)
            return wrong(judge, "a unit is needed", "grant[%zu].unit", i);
        (void)snprintf(path, sizeof(path), "grant[%zu].note", i);
        if (!texts(judge, grant->note, grant->n_note, false, path))
            return false;
    }
    return true;
}

static bool steady(struct judge *judge, const ProtobufCMessage *message, const char *path);

/* Every string of one field, or of the messages in it: nothing in it steers a terminal or turns the
 * order of what is read beside it. A text in a language may have lines. */
static bool steady_field(struct judge *judge, const ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, const char *path)
{
    const uint8_t *base = (const uint8_t *)message, *at = base + field->offset;
    bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
    unsigned allowed = message->descriptor == &pledged__v1__text__descriptor ? PL_TEXT_LINES : 0;
    size_t count = list ? *(const size_t *)(const void *)(base + field->quantifier_offset) : 1;
    const void *const *element = list ? *(const void *const *const *)(const void *)at
                                      : (const void *const *)(const void *)at;
    for (size_t i = 0; i < count; i++) {
        char place[STEADY_PATH_BYTES];
        (void)snprintf(place, sizeof(place), list ? "%s%s%s[%zu]" : "%s%s%s", path,
                       path[0] != '\0' ? "." : "", field->name, i);
        if (element[i] == NULL)
            continue;
        if (field->type == PROTOBUF_C_TYPE_STRING ? !pl_utf8_is_steady(element[i], allowed)
                                                  : !steady(judge, element[i], place))
            return wrong(judge, "control characters are not allowed", "%s", place);
    }
    return true;
}

/* By the schema: a field that comes with a later version is looked at, too. */
static bool steady(struct judge *judge, const ProtobufCMessage *message, const char *path)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const uint32_t *which = (const void *)((const uint8_t *)message + field->quantifier_offset);
        bool texts =
            field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
        bool other = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *which != field->id;
        if (texts && !other && !steady_field(judge, message, field, path))
            return false;
    }
    return true;
}

Pledged__V1__Refusal *catalogue_validate(const Pledged__V1__Catalogue *catalogue, uint32_t rules,
                                         struct pl_arena *arena)
{
    struct judge judge = {.arena = arena};
    if (catalogue == NULL)
        (void)wrong(&judge, "a catalogue is needed", "%s", "");
    else if (protobuf_c_message_get_packed_size(&catalogue->base) > CATALOGUE_BYTES_MAX)
        (void)wrong(&judge, "at most 48 KiB", "%s", "");
    else
        (void)(frame(&judge, catalogue) && papers(&judge, catalogue) &&
               policy(&judge, catalogue->policy) && labelled(&judge, catalogue) &&
               tiers(&judge, catalogue) && benefits(&judge, catalogue) &&
               grants(&judge, catalogue) &&
               (rules < 11 || steady(&judge, &catalogue->base, ""))); /* older ledgers have some */
    return judge.refusal;
}

/* --- an adopted one --- */

struct pl_slice catalogue_bytes_in_command(struct pl_slice command)
{
    struct pl_slice adopt, bytes;
    size_t cursor = 0;
    /* Command.adopt_catalogue = 10, AdoptCatalogue.catalogue = 1 */
    if (!pl_wire_next(command, 10, &cursor, &adopt))
        return pl_slice(NULL, 0);
    cursor = 0;
    return pl_wire_next(adopt, 1, &cursor, &bytes) ? bytes : pl_slice(NULL, 0);
}

static int32_t last_day(const char *date)
{
    int32_t day;
    return pl_is_ok(pl_date_parse(date, &day)) ? day : INT32_MAX;
}

struct pl_status catalogue_new(struct pl_slice bytes, uint64_t adopted_seq, struct catalogue **ret)
{
    struct pl_scan_error problem;
    ProtobufCMessage *message = NULL;
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    PL_ASSERT(catalogue != NULL);
    atomic_init(&catalogue->refs, 1);
    pl_arena_init(&catalogue->arena, CATALOGUE_ARENA_BYTES);
    uint8_t *copy = pl_arena_memdup(&catalogue->arena, bytes.data, bytes.len);
    PL_ASSERT(copy != NULL);
    catalogue->bytes = pl_slice(copy, bytes.len);
    catalogue->adopted_seq = adopted_seq;
    pl_sha256(bytes, catalogue->sha256);
    struct pl_status status = pl_unpack(&pledged__v1__catalogue__descriptor, catalogue->bytes,
                                        65536, &catalogue->arena, &message, &problem);
    if (pl_is_ok(status) && catalogue_validate((const Pledged__V1__Catalogue *)message,
                                               LEDGER_RULES_FIRST, &catalogue->arena) != NULL)
        status = pl_fail(CORRUPT, "an adopted catalogue is not well formed");
    if (!pl_is_ok(status)) {
        catalogue_unref(catalogue);
        return pl_fail(CORRUPT, "an adopted catalogue is not well formed");
    }
    catalogue->msg = (const Pledged__V1__Catalogue *)message;
    catalogue->closes = last_day(catalogue->msg->closes);
    catalogue->event_ends =
        catalogue->msg->event == NULL ? INT32_MAX : last_day(catalogue->msg->event->ends);
    *ret = catalogue;
    return pl_ok();
}

struct catalogue *catalogue_ref(struct catalogue *catalogue)
{
    (void)atomic_fetch_add_explicit(&catalogue->refs, 1, memory_order_relaxed);
    return catalogue;
}

void catalogue_unref(struct catalogue *catalogue)
{
    if (catalogue == NULL ||
        atomic_fetch_sub_explicit(&catalogue->refs, 1, memory_order_acq_rel) != 1)
        return;
    pl_arena_fini(&catalogue->arena);
    free(catalogue);
}

int catalogue_find_tier(const struct catalogue *catalogue, const char *code_or_alias)
{
    for (size_t i = 0; i < catalogue->msg->n_tier; i++) {
        if (names_tier(catalogue->msg->tier[i], code_or_alias))
            return (int)i;
    }
    return -1;
}

uint32_t catalogue_grants(const struct catalogue *catalogue, const char *tier_code)
{
    uint32_t count = 0;
    for (size_t i = 0; i < catalogue->msg->n_grant; i++)
        count += strcmp(catalogue->msg->grant[i]->tier, tier_code) == 0;
    return count;
}
