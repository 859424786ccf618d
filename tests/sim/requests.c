/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: see requests.h.
 */
#include "tests/sim/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "pledged/v1/catalogue.pb-c.h"
#include "pledged/v1/command.pb-c.h"

#define IS(name_) PLEDGED__V1__COMMAND__COMMAND_##name_

enum { ARENA_BYTES = 1 << 20, FAT_REFS = 8, FAT_FILES = 16 };

struct maker {
    struct pl_arena arena;
    struct dice *dice;
    const struct model *model;
    Pledged__V1__Command *command;
};

static void *take(struct maker *maker, size_t size)
{
    void *made = pl_arena_alloc(&maker->arena, size);
    if (made == NULL)
        abort();
    return made;
}

static char *text(struct maker *maker, const char *words)
{
    char *made = pl_arena_strdup(&maker->arena, words);
    if (made == NULL)
        abort();
    return made;
}

static char *id_of(struct maker *maker, char letter, size_t known)
{
    /* now and then one that does not exist */
    size_t number = 1 + dice_below(maker->dice, known + (dice_below(maker->dice, 20) == 0));
    char *made = pl_arena_printf(&maker->arena, "%c%06zu", letter, number == 0 ? 1 : number);
    if (made == NULL)
        abort();
    return made;
}

static char *some_tier(struct maker *maker)
{
    static const char *const code[] = {"top", "top", "duo", "duo", "duo", "many"};
    return text(maker, code[dice_below(maker->dice, 6)]);
}

static void add_document(struct maker *maker, size_t count)
{
    static uint8_t sha256[32] = {1, 2, 3};
    maker->command->evidence = take(maker, count * sizeof(*maker->command->evidence));
    maker->command->n_evidence = count;
    for (size_t i = 0; i < count; i++) {
        Pledged__V1__Document *document = take(maker, sizeof(*document));
        pledged__v1__document__init(document);
        document->sha256 = (ProtobufCBinaryData){32, sha256};
        document->bytes = 12;
        document->kind = text(maker, "agreement");
        maker->command->evidence[i] = document;
    }
}

static void fatten(struct maker *maker)
{
    char *words = take(maker, 1001);
    memset(words, 'x', 1000);
    maker->command->reason = words;
    add_document(maker, FAT_FILES);
    for (size_t i = 0; i < FAT_FILES; i++) {
        char *place = take(maker, 121);
        memset(place, 'y', 120);
        maker->command->evidence[i]->filed_as = place;
    }
}

static void make_contributor(struct maker *maker)
{
    Pledged__V1__AddContributor *body = take(maker, sizeof(*body));
    pledged__v1__add_contributor__init(body);
    body->name = pl_arena_printf(&maker->arena, "Name %" PRIx64, dice_roll(maker->dice));
    body->kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
    maker->command->command_case = IS(ADD_CONTRIBUTOR);
    maker->command->add_contributor = body;
}

static void make_hold(struct maker *maker)
{
    Pledged__V1__Hold *body = take(maker, sizeof(*body));
    pledged__v1__hold__init(body);
    body->tier = some_tier(maker);
    body->contributor = id_of(maker, 'C', maker->model->contributors);
    body->until_case = PLEDGED__V1__HOLD__UNTIL_FOR_S;
    body->for_s = 1 + (int64_t)dice_below(maker->dice, 10);
    maker->command->command_case = IS(HOLD);
    maker->command->hold = body;
}

static void make_wait(struct maker *maker)
{
    Pledged__V1__Wait *body = take(maker, sizeof(*body));
    pledged__v1__wait__init(body);
    body->tier = some_tier(maker);
    body->contributor = id_of(maker, 'C', maker->model->contributors);
    maker->command->command_case = IS(WAIT);
    maker->command->wait = body;
}

static Pledged__V1__Money *money(struct maker *maker)
{
    Pledged__V1__Money *made = take(maker, sizeof(*made));
    pledged__v1__money__init(made);
    made->minor = 1 + (int64_t)dice_below(maker->dice, 20000000);
    made->currency = text(maker, "CHF");
    return made;
}

static void make_submit(struct maker *maker)
{
    Pledged__V1__Submit *body = take(maker, sizeof(*body));
    pledged__v1__submit__init(body);
    maker->command->command_case = IS(SUBMIT);
    maker->command->submit = body;
    if (maker->model->pledges != 0 && dice_below(maker->dice, 2) == 0) {
        body->pledge = id_of(maker, 'P', maker->model->pledges);
        return;
    }
    body->contributor = id_of(maker, 'C', maker->model->contributors);
    if (dice_below(maker->dice, 5) == 0) {
        body->offer_case = PLEDGED__V1__SUBMIT__OFFER_FREE;
        body->free = true;
        body->amount = money(maker);
        return;
    }
    body->offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    body->tier = some_tier(maker);
}

static void make_payment(struct maker *maker)
{
    Pledged__V1__Pay *body = take(maker, sizeof(*body));
    pledged__v1__pay__init(body);
    body->pledge = id_of(maker, 'P', maker->model->pledges);
    body->amount = money(maker);
    maker->command->command_case = IS(PAY);
    maker->command->pay = body;
}

static void make_ending(struct maker *maker)
{
    char *pledge = id_of(maker, 'P', maker->model->pledges);
    uint64_t kind = dice_below(maker->dice, 4);
    if (kind == 0) {
        Pledged__V1__Commit *body = take(maker, sizeof(*body));
        pledged__v1__commit__init(body);
        body->pledge = pledge;
        maker->command->command_case = IS(COMMIT);
        maker->command->commit = body;
        add_document(maker, 1);
    } else if (kind == 1) {
        Pledged__V1__Cancel *body = take(maker, sizeof(*body));
        pledged__v1__cancel__init(body);
        body->pledge = pledge;
        body->money_plan = PLEDGED__V1__MONEY_PLAN__MONEY_PLAN_REFUND;
        maker->command->command_case = IS(CANCEL);
        maker->command->cancel = body;
        add_document(maker, 1);
    } else {
        Pledged__V1__Withdraw *body = take(maker, sizeof(*body));
        pledged__v1__withdraw__init(body);
        body->pledge = pledge;
        maker->command->command_case = IS(WITHDRAW);
        maker->command->withdraw = body;
    }
}

static void choose(struct maker *maker)
{
    uint64_t dice = dice_below(maker->dice, 100);
    if (maker->model->contributors == 0 || dice < 15)
        make_contributor(maker);
    else if (dice < 45)
        make_hold(maker);
    else if (dice < 50)
        make_wait(maker);
    else if (dice < 70 || maker->model->pledges == 0)
        make_submit(maker);
    else if (dice < 82)
        make_payment(maker);
    else
        make_ending(maker);
}

static void begin(struct maker *maker, struct dice *dice, const struct model *model)
{
    maker->dice = dice;
    maker->model = model;
    pl_arena_init(&maker->arena, ARENA_BYTES);
    maker->command = take(maker, sizeof(*maker->command));
    pledged__v1__command__init(maker->command);
    maker->command->reason = text(maker, "a reason");
}

/* Packs the command under a new request id, and lets the maker go. */
static void end(struct maker *maker, struct request *request)
{
    struct request_item *item = &request->item[request->count++];
    for (size_t i = 0; i < MODEL_ID; i += 8) {
        uint64_t word = dice_roll(maker->dice);
        memcpy(item->id + i, &word, 8);
    }
    maker->command->request_id = (ProtobufCBinaryData){MODEL_ID, item->id};
    item->len = pledged__v1__command__get_packed_size(maker->command);
    item->bytes = malloc(item->len + 1);
    if (item->bytes == NULL)
        abort();
    (void)pledged__v1__command__pack(maker->command, item->bytes);
    pl_arena_fini(&maker->arena);
}

void request_make(struct request *request, struct dice *dice, const struct model *model, bool fat)
{
    size_t count = fat                        ? 20 + dice_below(dice, REQUEST_ITEMS_MAX - 20)
                   : dice_below(dice, 8) == 0 ? 1 + dice_below(dice, 5)
                                              : 1;
    request->count = 0;
    while (request->count < count) {
        struct maker maker;
        begin(&maker, dice, model);
        choose(&maker);
        if (fat)
            fatten(&maker);
        end(&maker, request);
    }
}

void request_plain(struct request *request, struct dice *dice)
{
    struct maker maker;
    request->count = 0;
    begin(&maker, dice, NULL);
    make_contributor(&maker);
    end(&maker, request);
}

/* --- the catalogue: top (1 place), duo (2), many (no limit) --- */

static Pledged__V1__Text **texts(struct maker *maker, const char *words)
{
    Pledged__V1__Text **list = take(maker, sizeof(*list));
    list[0] = take(maker, sizeof(**list));
    pledged__v1__text__init(list[0]);
    list[0]->lang = text(maker, "fr");
    list[0]->text = text(maker, words);
    list[0]->authentic = true;
    return list;
}

static Pledged__V1__Tier *tier(struct maker *maker, const char *code, int64_t places)
{
    Pledged__V1__Tier *made = take(maker, sizeof(*made));
    pledged__v1__tier__init(made);
    made->code = text(maker, code);
    made->group = text(maker, "all");
    made->n_label = 1;
    made->label = texts(maker, code);
    made->capacity = take(maker, sizeof(*made->capacity));
    pledged__v1__count__init(made->capacity);
    made->capacity->value_case =
        places < 0 ? PLEDGED__V1__COUNT__VALUE_UNLIMITED : PLEDGED__V1__COUNT__VALUE_COUNT;
    if (places < 0)
        made->capacity->unlimited = true;
    else
        made->capacity->count = places;
    made->price_case = PLEDGED__V1__TIER__PRICE_AMOUNT;
    made->amount = take(maker, sizeof(*made->amount));
    pledged__v1__money__init(made->amount);
    made->amount->minor = 15000000;
    made->amount->currency = text(maker, "CHF");
    return made;
}

static Pledged__V1__Catalogue *catalogue(struct maker *maker)
{
    Pledged__V1__Catalogue *made = take(maker, sizeof(*made));
    pledged__v1__catalogue__init(made);
    made->code = text(maker, "test-2026");
    made->version = 1;
    made->n_title = 1;
    made->title = texts(maker, "essai");
    made->fund = take(maker, sizeof(*made->fund));
    pledged__v1__fund__init(made->fund);
    made->fund->currency = text(maker, "CHF");
    made->fund->n_name = 1;
    made->fund->name = texts(maker, "fonds");
    made->n_group = 1;
    made->group = take(maker, sizeof(*made->group));
    made->group[0] = take(maker, sizeof(**made->group));
    pledged__v1__group__init(made->group[0]);
    made->group[0]->code = text(maker, "all");
    made->group[0]->n_label = 1;
    made->group[0]->label = texts(maker, "tous");
    made->n_tier = 3;
    made->tier = take(maker, 3 * sizeof(*made->tier));
    made->tier[0] = tier(maker, "top", 1);
    made->tier[1] = tier(maker, "duo", 2);
    made->tier[2] = tier(maker, "many", -1);
    made->policy = take(maker, sizeof(*made->policy));
    pledged__v1__catalogue_policy__init(made->policy);
    made->policy->hold_default_s = 5;
    made->policy->hold_max_s = 60 * 86400;
    made->policy->hold_extensions_max = 2;
    made->policy->promotion_hold_s = 4;
    return made;
}

void request_adopt(struct request *request, struct dice *dice)
{
    struct maker maker;
    request->count = 0;
    begin(&maker, dice, NULL);
    Pledged__V1__AdoptCatalogue *body = take(&maker, sizeof(*body));
    pledged__v1__adopt_catalogue__init(body);
    body->catalogue = catalogue(&maker);
    maker.command->command_case = IS(ADOPT_CATALOGUE);
    maker.command->adopt_catalogue = body;
    end(&maker, request);
}

void request_fini(struct request *request)
{
    for (size_t i = 0; i < request->count; i++)
        free(request->item[i].bytes);
    request->count = 0;
}
