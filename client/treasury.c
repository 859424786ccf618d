/* SPDX-License-Identifier: Apache-2.0
 *
 * treasury: see treasury.h. libinih splits the lines; sections of profiles are not ours. Failure:
 * what is wrong is named with the section and key it stands in.
 */
#include "client/treasury.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/money.h"
#include "common/reference.h"

struct loader {
    const char *path;
    struct pl_arena *arena;
    struct treasury *treasury;
    struct failure *failure;
    struct pl_status status;
};

static struct pl_status wrong(struct loader *loader, const char *section, const char *key,
                              const char *why)
{
    return failure_set(loader->failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       "%s: [%s] %s: %s", loader->path, section, key, why);
}

static struct pl_status keep(struct loader *loader, const char *value, const char **ret)
{
    *ret = pl_arena_strdup(loader->arena, value);
    return *ret != NULL ? pl_ok() : text_no_memory();
}

struct key {
    const char *name;
    const char **place;
};

static struct pl_status take(struct loader *loader, const char *section, const struct key *keys,
                             size_t count, const char *name, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return keep(loader, value, keys[i].place);
    }
    return wrong(loader, section, name, _("there is no such key here"));
}

static struct pl_status take_creditor(struct loader *loader, const char *name, const char *value)
{
    struct qrbill_party *c = &loader->treasury->creditor;
    const struct key keys[] = {{"name", &c->name},     {"street", &c->street},
                               {"number", &c->number}, {"postal_code", &c->postal_code},
                               {"town", &c->town},     {"country", &c->country}};
    return take(loader, "creditor", keys, PL_COUNT(keys), name, value);
}

static struct treasury_account *account_of(struct loader *loader, const char *name)
{
    struct treasury *treasury = loader->treasury;
    for (size_t i = 0; i < treasury->count; i++) {
        if (strcmp(treasury->account[i].name, name) == 0)
            return &treasury->account[i];
    }
    if (treasury->count == TREASURY_ACCOUNTS_MAX)
        return NULL;
    struct treasury_account *made = &treasury->account[treasury->count++];
    *made = (struct treasury_account){"", "", "", "", "", ""};
    return pl_is_ok(keep(loader, name, &made->name)) ? made : NULL;
}

static struct pl_status take_account(struct loader *loader, const char *section, const char *key,
                                     const char *value)
{
    struct treasury_account *a = account_of(loader, section + strlen("account "));
    if (a == NULL)
        return wrong(loader, section, key, _("there are too many accounts"));
    const struct key keys[] = {{"currency", &a->currency},
                               {"iban", &a->iban},
                               {"qr_iban", &a->qr_iban},
                               {"bank", &a->bank},
                               {"bic", &a->bic}};
    char normal[PL_IBAN_BYTES];
    bool is_qr = strcmp(key, "qr_iban") == 0;
    if (is_qr || strcmp(key, "iban") == 0) {
        if (!pl_iban_read(value, normal))
            return wrong(loader, section, key, _("this is not an IBAN"));
        if (pl_iban_qr(normal) != is_qr)
            return wrong(loader, section, key,
                         is_qr ? _("this is not a QR-IBAN") : _("this is a QR-IBAN: use qr_iban"));
        value = normal;
    }
    if (strcmp(key, "currency") == 0 && pl_currency_index(value) < 0)
        return wrong(loader, section, key, _("this is not a currency (ISO 4217)"));
    return take(loader, section, keys, PL_COUNT(keys), key, value);
}

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct loader *loader = arg;
    if (!pl_is_ok(loader->status))
        return 1;
    if (strcmp(section, "creditor") == 0)
        loader->status = take_creditor(loader, name, value);
    else if (strncmp(section, "account ", strlen("account ")) == 0)
        loader->status = take_account(loader, section, name, value);
    return 1;
}

static struct pl_status complete(struct loader *loader)
{
    const struct treasury *treasury = loader->treasury;
    if (treasury->creditor.name[0] == '\0')
        return wrong(loader, "creditor", "name", _("say here who is paid"));
    for (size_t i = 0; i < treasury->count; i++) {
        const struct treasury_account *a = &treasury->account[i];
        const char *section = pl_arena_printf(loader->arena, "account %s", a->name);
        if (a->currency[0] == '\0' || a->iban[0] == '\0')
            return wrong(loader, section != NULL ? section : "account",
                         a->iban[0] == '\0' ? "iban" : "currency", _("it is needed"));
    }
    return pl_ok();
}

struct pl_status treasury_load(const char *path, struct pl_arena *arena, struct treasury *ret,
                               struct failure *failure)
{
    struct loader loader = {.path = path == NULL ? "-" : path,
                            .arena = arena,
                            .treasury = ret,
                            .failure = failure,
                            .status = pl_ok()};
    *ret = (struct treasury){.creditor = {"", "", "", "", "", ""}};
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    if (path != NULL && file == NULL)
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("%s: %s"), path, text_errno(errno));
    int bad = file == NULL ? 0 : ini_parse_file(file, on_key, &loader);
    if (file != NULL)
        (void)fclose(file);
    PL_TRY(loader.status);
    if (bad != 0)
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           "%s:%d: %s", loader.path, bad, _("this is not 'key = value'"));
    return complete(&loader);
}

bool treasury_take(const Pledged__V1__GetTreasuryResponse *answer, struct treasury *ret)
{
    const Pledged__V1__PolicyCreditor *creditor = answer->creditor;
    if (creditor == NULL)
        return false;
    *ret = (struct treasury){.creditor = {.name = creditor->name,
                                          .street = creditor->street,
                                          .number = creditor->number,
                                          .postal_code = creditor->postal_code,
                                          .town = creditor->town,
                                          .country = creditor->country}};
    for (size_t i = 0; i < answer->n_account && ret->count < TREASURY_ACCOUNTS_MAX; i++) {
        const Pledged__V1__PolicyAccount *a = answer->account[i];
        ret->account[ret->count++] = (struct treasury_account){.name = a->account,
                                                               .currency = a->currency,
                                                               .iban = a->iban,
                                                               .qr_iban = a->qr_iban,
                                                               .bank = a->bank,
                                                               .bic = a->bic};
    }
    return true;
}

const struct treasury_account *treasury_account(const struct treasury *treasury,
                                                const char *currency)
{
    for (size_t i = 0; i < treasury->count; i++) {
        if (strcmp(treasury->account[i].currency, currency) == 0)
            return &treasury->account[i];
    }
    return NULL;
}
