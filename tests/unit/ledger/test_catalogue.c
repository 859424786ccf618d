/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the shipped catalogue is well formed; every way to spoil one is refused with the path of
 * the field that is wrong.
 */
#include "common/check.h"
#include "common/json.h"
#include "damage.h"
#include "server/ledger/ledger.h"

static struct pl_arena arena;

static Pledged__V1__Catalogue *shipped(void)
{
    FILE *file = fopen(SOURCE_DIR "/deploy/catalogue/wsis-forum-2026.json", "rb");
    assert_non_null(file);
    static char text[1 << 20];
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    ProtobufCMessage *message = NULL;
    struct pl_json_error error;
    struct pl_status status = pl_json_parse(
        pl_slice(text, len), &pledged__v1__catalogue__descriptor, &arena, &message, &error);
    if (!pl_is_ok(status))
        fail_msg("%s: %s", error.path, error.what);
    return (Pledged__V1__Catalogue *)message;
}

static char *text_of(size_t len)
{
    char *text = pl_arena_alloc(&arena, len + 1);
    memset(text, 'x', len);
    return text;
}

static void assert_wrong(Pledged__V1__Catalogue *c, const char *field)
{
    Pledged__V1__Refusal *refusal = catalogue_validate(c, LEDGER_RULES, &arena);
    assert_non_null(refusal);
    assert_string_equal(refusal->field, field);
    assert_int_equal(refusal->reason, REASON(CATALOGUE_INVALID));
}

static void test_shipped_catalogue_is_well_formed(void **state)
{
    (void)state;
    Pledged__V1__Catalogue *c = shipped();
    assert_null(catalogue_validate(c, LEDGER_RULES, &arena));
    assert_int_equal(c->n_tier, 6);
    assert_int_equal(c->n_benefit, 28);
    assert_int_equal(c->n_grant, 136);
    struct pl_slice bytes = pl_pack(&c->base, &arena);
    struct catalogue *catalogue = NULL;
    assert_true(pl_is_ok(catalogue_new(bytes, 4, &catalogue)));
    assert_int_equal(catalogue_find_tier(catalogue, "Platinum"),
                     catalogue_find_tier(catalogue, "platine"));
    assert_int_equal(catalogue_find_tier(catalogue, "bronze"), -1);
    assert_int_equal(catalogue_find_tier(catalogue, "7-or"), -1);
    assert_int_equal(catalogue_find_tier(catalogue, ""), -1);
    static const struct {
        const char *tier;
        uint32_t grants;
    } sums[] = {{"diamant", 27}, {"platine", 26},    {"or", 26},
                {"argent", 23},  {"innovation", 19}, {"appui", 15}};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(catalogue_grants(catalogue, sums[i].tier), sums[i].grants);
    catalogue_unref(catalogue);
}

static void test_wrong_fields_are_named(void **state)
{
    (void)state;
    Pledged__V1__Catalogue *c = shipped();
#define SPOIL(place_, value_, field_)                                                              \
    do {                                                                                           \
        __typeof__(place_) old_ = place_;                                                          \
        place_ = value_;                                                                           \
        assert_wrong(c, "adopt_catalogue.catalogue." field_);                                      \
        place_ = old_;                                                                             \
        assert_null(catalogue_validate(c, LEDGER_RULES, &arena));                                  \
    } while (0)
    SPOIL(c->code, (char *)"Not A Code", "code");
    SPOIL(c->version, 0, "version");
    SPOIL(c->n_title, 0, "title");
    SPOIL(c->fund, NULL, "fund");
    SPOIL(c->fund->currency, (char *)"CHX", "fund.currency");
    SPOIL(c->event->ends, (char *)"2026-07-01", "event.ends");
    SPOIL(c->event->starts, (char *)"2026-02-30", "event.starts");
    SPOIL(c->letter->date, (char *)"", "letter.date");
    SPOIL(c->policy, NULL, "policy");
    SPOIL(c->policy->hold_default_s, c->policy->hold_max_s + 1, "policy.hold_default_s");
    SPOIL(c->tier[2]->code, (char *)"platine", "tier[2].code");
    SPOIL(c->tier[2]->code, (char *)"free", "tier[2].code");
    SPOIL(c->tier[3]->alias[0], (char *)"GOLD", "tier[3].alias[0]");
    SPOIL(c->tier[1]->group, (char *)"nowhere", "tier[1].group");
    SPOIL(c->tier[1]->capacity, NULL, "tier[1].capacity");
    SPOIL(c->tier[1]->capacity->count, -1, "tier[1].capacity.count");
    SPOIL(c->tier[0]->amount->minor, 0, "tier[0].amount");
    SPOIL(c->benefit[7]->code, c->benefit[3]->code, "benefit[7].code");
    SPOIL(c->benefit[7]->section, (char *)"ZZZ", "benefit[7].section");
    SPOIL(c->grant[5]->tier, (char *)"bronze", "grant[5].tier");
    SPOIL(c->grant[5]->benefit, (char *)"VIS99", "grant[5].benefit");
    SPOIL(c->grant[5]->quantity, 0, "grant[5].quantity");
    SPOIL(c->grant[9], c->grant[8], "grant[9]");
    SPOIL(c->title[0]->lang, (char *)"FR", "title[0].lang");
    SPOIL(c->tier[1]->label[1]->lang, c->tier[1]->label[0]->lang, "tier[1].label[1].lang");
    SPOIL(c->event->country, (char *)"ch", "event.country");
    SPOIL(c->legal_basis[0]->date, (char *)"2025", "legal_basis[0].date");
    SPOIL(c->closes, (char *)"soon", "closes");
    SPOIL(c->policy->promotion_hold_s, 0, "policy.promotion_hold_s");
    SPOIL(c->policy->hold_extensions_max, 101, "policy.hold_extensions_max");
    SPOIL(c->policy->hold_grace_s, -1, "policy.hold_grace_s");
    SPOIL(c->tier[0]->capacity->value_case, 0, "tier[0].capacity");
    SPOIL(c->tier[0]->price_case, 0, "tier[0].price");
    SPOIL(c->n_group, 0, "group");
    SPOIL(c->n_tier, 0, "tier");
    SPOIL(c->grant[5]->unit, 0, "grant[5].unit");
    SPOIL(c->benefit[2]->label[0]->text, (char *)"", "benefit[2].label[0].text");
    SPOIL(c->group[1]->code, c->group[0]->code, "group[1].code");
    SPOIL(c->section[1]->code, c->section[0]->code, "section[1].code");
    SPOIL(c->title[0]->text, text_of(2001), "title[0].text");
    SPOIL(c->tier[1]->label[1]->authentic, c->tier[1]->label[0]->authentic = true, "tier[1].label");
    SPOIL(c->tier[2]->alias[0], (char *)"No Word", "tier[2].alias[0]");
    SPOIL(c->tier[2]->alias[0], (char *)"free", "tier[2].alias[0]");
}

/* Each text of the schema is looked at, also those that no other rule asks for. */
static void test_what_steers_is_refused(void **state)
{
    (void)state;
    Pledged__V1__Catalogue *c = shipped();
    static char turns[] = "a\xE2\x80\xAE"
                          "b",
                steers[] = "a\xC2\x9B"
                           "2J",
                lines[] = "a\nb";
    assert_true(c->n_contact > 0 && c->n_legal_basis > 0 && c->letter->n_subject > 0);
    SPOIL(c->title[1]->text, turns, "title[1].text");
    SPOIL(c->fund->name[0]->text, steers, "fund.name[0].text");
    SPOIL(c->event->name[0]->text, turns, "event.name[0].text");
    SPOIL(c->letter->subject[0]->text, turns, "letter.subject[0].text");
    SPOIL(c->legal_basis[0]->id, turns, "legal_basis[0].id");
    SPOIL(c->contact[0]->email, steers, "contact[0].email");
    SPOIL(c->contact[0]->phone, lines, "contact[0].phone");
    SPOIL(c->tier[3]->label[0]->text, turns, "tier[3].label[0].text");
    SPOIL(c->benefit[27]->label[1]->text, steers, "benefit[27].label[1].text");
    SPOIL(c->benefit[27]->recurs, turns, "benefit[27].recurs");
    c->title[0]->text = lines; /* a text may have them */
    assert_null(catalogue_validate(c, LEDGER_RULES, &arena));
    c->title[0]->text = turns;
    assert_wrong(c, "adopt_catalogue.catalogue.title[0].text");
    assert_null(catalogue_validate(c, 10, &arena)); /* as older ledgers have it, */
    struct catalogue *catalogue = NULL;
    assert_true(pl_is_ok(catalogue_new(pl_pack(&c->base, &arena), 4, &catalogue))); /* adopted */
    catalogue_unref(catalogue);
}

/* A list of so many times its first. */
static void *many(void *const *list, size_t count)
{
    void **longer = pl_arena_alloc(&arena, count * sizeof(*longer));
    for (size_t i = 0; i < count; i++)
        longer[i] = list[0];
    return longer;
}

static void test_lists_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t most;
    } lists[] = {{"group", 16},       {"section", 32}, {"tier", 64},   {"benefit", 256},
                 {"legal_basis", 64}, {"contact", 64}, {"grant", 4096}};
    for (size_t i = 0; i < PL_COUNT(lists); i++) {
        Pledged__V1__Catalogue *c = shipped();
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(c->base.descriptor, lists[i].name);
        void ***list = (void ***)(void *)((uint8_t *)c + field->offset);
        size_t *count = (size_t *)(void *)((uint8_t *)c + field->quantifier_offset);
        assert_true(*count <= lists[i].most);
        *list = many(*list, lists[i].most + 1);
        *count = lists[i].most + 1;
        const Pledged__V1__Refusal *refusal = catalogue_validate(c, LEDGER_RULES, &arena);
        assert_non_null(refusal); /* by its name, or all of it is too large */
        assert_true(strstr(refusal->field, lists[i].name) != NULL ||
                    strcmp(refusal->field, "adopt_catalogue.catalogue") == 0);
    }
}

/* One field after the other, in every way that it can be wrong: refused with a path of it, or
 * another catalogue that is as good. */
static void test_whatever_is_wrong_is_named(void **state)
{
    (void)state;
    struct pl_slice bytes = pl_pack(&shipped()->base, &arena);
    struct pl_arena small;
    unsigned refused = 0, fine = 0;
    pl_arena_init(&small, 64 << 20);
    for (unsigned n = 0;; n++) {
        struct damage d;
        pl_arena_reset(&small);
        const ProtobufCMessage *c =
            damaged(&pledged__v1__catalogue__descriptor, bytes, n, &small, &d);
        if (c == NULL)
            break;
        const Pledged__V1__Refusal *refusal =
            catalogue_validate((const Pledged__V1__Catalogue *)c, LEDGER_RULES, &small);
        fine += refusal == NULL;
        if (refusal == NULL)
            continue;
        refused++;
        assert_int_equal(strncmp(refusal->field, "adopt_catalogue.catalogue.", 26), 0);
        assert_string_not_equal(refusal->message, "");
    }
    assert_true(refused > 100 && fine > 50);
    pl_arena_fini(&small);
}

static void test_a_spent_arena_still_refuses(void **state)
{
    (void)state;
    Pledged__V1__Catalogue *c = shipped();
    c->version = 0;
    for (size_t budget = 0; budget < 400; budget += 16) {
        struct pl_arena none;
        pl_arena_init(&none, budget);
        const Pledged__V1__Refusal *refusal = catalogue_validate(c, LEDGER_RULES, &none);
        assert_non_null(refusal);
        assert_int_not_equal(refusal->reason, 0);
        pl_arena_fini(&none);
    }
}

static void test_a_command_without_a_catalogue_has_no_bytes(void **state)
{
    (void)state;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__AdoptCatalogue body = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    command.command_case = COMMAND(ADOPT_CATALOGUE);
    command.adopt_catalogue = &body;
    assert_int_equal(catalogue_bytes_in_command(pl_pack(&command.base, &arena)).len, 0);
    catalogue_unref(NULL);
}

static void test_a_tier_has_few_aliases(void **state)
{
    (void)state;
    Pledged__V1__Catalogue *c = shipped();
    static char words[17][16];
    char *list[17];
    for (int i = 0; i < 17; i++) {
        snprintf(words[i], sizeof(words[i]), "w%d", i);
        list[i] = words[i];
    }
    c->tier[2]->alias = list;
    c->tier[2]->n_alias = 16;
    assert_null(catalogue_validate(c, LEDGER_RULES, &arena));
    c->tier[2]->n_alias = 17;
    assert_wrong(c, "adopt_catalogue.catalogue.tier[2].alias");
}

static void test_bytes_are_found_in_the_command(void **state)
{
    (void)state;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__AdoptCatalogue body = PLEDGED__V1__ADOPT_CATALOGUE__INIT;
    body.catalogue = shipped();
    command.command_case = COMMAND(ADOPT_CATALOGUE);
    command.adopt_catalogue = &body;
    struct pl_slice found = catalogue_bytes_in_command(pl_pack(&command.base, &arena));
    assert_true(pl_slice_eq(found, pl_pack(&body.catalogue->base, &arena)));
    assert_int_equal(catalogue_bytes_in_command(pl_slice("", 0)).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_catalogue_is_well_formed),
        cmocka_unit_test(test_wrong_fields_are_named),
        cmocka_unit_test(test_what_steers_is_refused),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_whatever_is_wrong_is_named),
        cmocka_unit_test(test_a_spent_arena_still_refuses),
        cmocka_unit_test(test_a_command_without_a_catalogue_has_no_bytes),
        cmocka_unit_test(test_a_tier_has_few_aliases),
        cmocka_unit_test(test_bytes_are_found_in_the_command),
    };
    pl_arena_init(&arena, 1 << 28);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pl_arena_fini(&arena);
    return failed;
}
