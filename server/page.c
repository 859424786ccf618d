/* SPDX-License-Identifier: Apache-2.0
 *
 * page: see page.h.
 */
#include "server/page.h"

#include <string.h>

#include "common/arena.h"
#include "common/check.h"

struct asset {
    const char *name;
    const unsigned char *bytes;
    size_t len;
    const char *etag; /* with its quotes */
};
#include "server/page_assets.inc"

/* The page talks to where it came from and to nothing else; no frame may hold it. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct kind {
    const char *path, *name, *type;
} kinds[] = {
    {"/", "index.html", "text/html; charset=utf-8"},
    {"/page.css", "page.css", "text/css; charset=utf-8"},
    {"/page.js", "page.js", "text/javascript; charset=utf-8"},
    {"/page.svg", "page.svg", "image/svg+xml"},
};

static const struct asset *find_asset(const char *name)
{
    for (size_t i = 0; i < PL_COUNT(assets); i++) {
        if (strcmp(assets[i].name, name) == 0)
            return &assets[i];
    }
    PL_UNREACHABLE();
}

static const struct kind *find_kind(struct pl_slice path)
{
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        if (pl_slice_eq_str(path, kinds[i].path))
            return &kinds[i];
    }
    return NULL;
}

static void serve(struct call *call, void *user)
{
    (void)user;
    const struct kind *kind = find_kind(call_path(call));
    PL_ASSERT(kind != NULL); /* the resources below are the kinds above */
    const struct asset *asset = find_asset(kind->name);
    const struct net_header more[] = {
        {"content-security-policy", POLICY},
        {"referrer-policy", "no-referrer"},
        {"cross-origin-resource-policy", "same-origin"},
        {"etag", asset->etag},
    };
    bool known = pl_slice_eq_str(call_header(call, "if-none-match"), asset->etag);
    call_answer(
        call, &(struct net_answer){
                  .status = known ? "304" : "200",
                  .type = kind->type,
                  .cache = "no-cache", /* asked about each time: an upgrade shows at once */
                  .more = more,
                  .more_count = PL_COUNT(more),
                  .body = known ? (struct pl_slice){NULL, 0} : pl_slice(asset->bytes, asset->len)});
}

/* What the page may ask for, so that it asks for nothing that would be refused. */
static void serve_may(struct call *call, void *user)
{
    (void)user;
    bool known = call_person(call)->role != PLEDGED__V1__ROLE__ROLE_PUBLIC;
    bool stream = strcmp(call_identity(call), "anonymous") != 0;
    const char *body =
        pl_arena_printf(call_arena(call), "globalThis.may = { status: %s, stream: %s };\n",
                        known ? "true" : "false", stream ? "true" : "false");
    call_answer(call, &(struct net_answer){.status = "200",
                                           .type = "text/javascript; charset=utf-8",
                                           .body = pl_slice_str(body == NULL ? "" : body)});
}

#define EVERYBODY                                                                                  \
    (NET_ROLE(PUBLIC) | NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER) |                  \
     NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))

const struct net_resource page_resources[] = {
    {.path = "/", .roles = EVERYBODY, .handle = serve},
    {.path = "/page.css", .roles = EVERYBODY, .handle = serve},
    {.path = "/page.js", .roles = EVERYBODY, .handle = serve},
    {.path = "/page.svg", .roles = EVERYBODY, .handle = serve},
    {.path = "/may.js", .roles = EVERYBODY, .handle = serve_may},
};
const size_t page_resource_count = PL_COUNT(page_resources);
