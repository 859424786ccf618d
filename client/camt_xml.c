/* SPDX-License-Identifier: Apache-2.0
 *
 * camt_xml: libxml2's tree builder behind two hooks of ours: one that stops at a DOCTYPE, one that
 * counts elements. Failure: the first thing that is wrong, and where.
 */
#include "client/camt_xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/text.h"
#include "common/check.h"

struct guard {
    size_t depth, elements;
    const char *broken; /* why the reading was stopped; NULL: it was not */
    long line;
    int error;   /* the first that libxml2 found; 0: none */
    bool at_end; /* where the file was over */
};

static void stop(xmlParserCtxt *context, const char *why)
{
    struct guard *guard = context->_private;
    if (guard->broken == NULL) {
        guard->broken = why;
        guard->line = xmlSAX2GetLineNumber(context);
    }
    xmlStopParser(context);
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    (void)name, (void)external, (void)system;
    stop(arg, N_("a document type declaration (DOCTYPE) is not accepted"));
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **namespace_list, int attributes, int defaulted,
                     const xmlChar **attribute_list)
{
    xmlParserCtxt *context = arg;
    struct guard *guard = context->_private;
    if (++guard->elements > CAMT_XML_ELEMENTS_MAX) {
        stop(context, N_("the file has too many elements"));
        return;
    }
    if (++guard->depth > CAMT_XML_DEPTH_MAX) {
        stop(context, N_("the elements are nested too deep"));
        return;
    }
    xmlSAX2StartElementNs(arg, name, prefix, uri, namespaces, namespace_list, attributes, defaulted,
                          attribute_list);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *context = arg;
    ((struct guard *)context->_private)->depth--;
    xmlSAX2EndElementNs(arg, name, prefix, uri);
}

/* What people call the usual ones; libxml2's own words, which are English, stand behind. */
static const char *words_of(const struct guard *guard)
{
    switch (guard->error) {
    case XML_ERR_INVALID_CHAR:
    case XML_ERR_INVALID_ENCODING:
    case XML_ERR_UNKNOWN_ENCODING:
    case XML_ERR_UNSUPPORTED_ENCODING:
    case XML_I18N_CONV_FAILED:
    case XML_I18N_NO_HANDLER:
        return N_("the characters are not in the encoding that the file names");
    case XML_ERR_DOCUMENT_EMPTY:
        return guard->at_end ? N_("the file is empty") : N_("this is no XML");
    case XML_ERR_TAG_NAME_MISMATCH:
        return N_("this is no well-formed XML: an element is closed by the name of another");
    case XML_ERR_DOCUMENT_END:
        return N_("this is no well-formed XML: something follows its end");
    default:
        return guard->at_end ? N_("the file is cut off: it ends within an element")
                             : N_("this is no well-formed XML");
    }
}

static struct pl_status not_well_formed(struct camt_xml *xml, const xmlParserCtxt *context)
{
    const struct guard *guard = context->_private;
    const xmlError *error = &context->lastError;
    const Pledged__V1__Reason invalid = PLEDGED__V1__REASON__REASON_FIELD_INVALID;
    if (guard->broken != NULL)
        return failure_set(xml->failure, PL_E_INVALID, invalid, "", "%s:%ld: %s", xml->file,
                           guard->line, _(guard->broken));
    size_t len = error->message != NULL ? strcspn(error->message, "\r\n") : 0;
    return failure_set(xml->failure, PL_E_INVALID, invalid, "",
                       _("%s:%d: %s (column %d; libxml2: %.*s)"), xml->file, error->line,
                       _(words_of(guard)), error->int2, (int)(len < 200 ? len : 200),
                       len != 0 ? error->message : "?");
}

/* The context remembers the last one; nothing is printed behind our back. */
static void on_error(void *arg, const xmlError *error)
{
    const xmlParserCtxt *context = arg;
    struct guard *guard = context->_private;
    if (guard->error != 0 || error->level != XML_ERR_FATAL)
        return;
    guard->error = error->code;
    guard->at_end = context->input == NULL || context->input->cur >= context->input->end;
}

struct pl_status camt_xml_open(struct camt_xml *xml, struct pl_slice bytes)
{
    struct guard guard = {.broken = NULL};
    xml->document = NULL;
    if (bytes.len > CAMT_XML_BYTES_MAX)
        return failure_set(xml->failure, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                           _("%s is larger than %d bytes"), xml->file, CAMT_XML_BYTES_MAX);
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL)
        return text_no_memory();
    context->_private = &guard;
    context->sax->internalSubset = on_doctype;
    context->sax->startElementNs = on_start;
    context->sax->endElementNs = on_end;
    context->sax->serror = (xmlStructuredErrorFunc)on_error;
    xmlDoc *document = xmlCtxtReadMemory(context, (const char *)bytes.data, (int)bytes.len, NULL,
                                         NULL, XML_PARSE_NONET | XML_PARSE_NOCDATA);
    if (document == NULL || guard.broken != NULL || xmlDocGetRootElement(document) == NULL) {
        struct pl_status status = not_well_formed(xml, context);
        xmlFreeDoc(document);
        xmlFreeParserCtxt(context);
        return status;
    }
    xml->document = document;
    xmlFreeParserCtxt(context);
    return pl_ok();
}

void camt_xml_close(struct camt_xml *xml)
{
    xmlFreeDoc(xml->document);
    xml->document = NULL;
}

/* --- walking --- */

static bool is_named(const xmlNode *node, const char *name, size_t len)
{
    return node->type == XML_ELEMENT_NODE && strlen((const char *)node->name) == len &&
           memcmp(node->name, name, len) == 0;
}

static const xmlNode *named(const xmlNode *node, const char *name, size_t len)
{
    while (node != NULL && !is_named(node, name, len))
        node = node->next;
    return node;
}

const xmlNode *camt_xml_child(const xmlNode *parent, const char *name)
{
    return parent == NULL ? NULL : named(parent->children, name, strlen(name));
}

const xmlNode *camt_xml_next(const xmlNode *node)
{
    const char *name = (const char *)node->name;
    return named(node->next, name, strlen(name));
}

const xmlNode *camt_xml_find(const xmlNode *from, const char *path)
{
    while (from != NULL && *path != '\0') {
        size_t len = strcspn(path, "/");
        from = named(from->children, path, len);
        path += len + (path[len] == '/');
    }
    return from;
}

static bool is_blank(xmlChar c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct pl_status camt_xml_text(struct camt_xml *xml, const xmlNode *node, size_t most,
                               const char **ret)
{
    *ret = "";
    if (node == NULL)
        return pl_ok();
    size_t len = 0;
    for (const xmlNode *part = node->children; part != NULL; part = part->next)
        len += part->type == XML_TEXT_NODE ? strlen((const char *)part->content) : 0;
    char *text = pl_arena_alloc(xml->arena, len + 1);
    if (text == NULL)
        return text_no_memory();
    size_t used = 0;
    for (const xmlNode *part = node->children; part != NULL; part = part->next) {
        const xmlChar *in = part->type == XML_TEXT_NODE ? part->content : (const xmlChar *)"";
        for (; *in != '\0'; in++) {
            if (!is_blank(*in))
                text[used++] = (char)*in;
            else if (used != 0 && text[used - 1] != ' ')
                text[used++] = ' ';
        }
    }
    used -= used != 0 && text[used - 1] == ' ';
    text[used] = '\0';
    if (used > most)
        return camt_xml_wrong(xml, node, PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG,
                              _("%zu bytes, at most %zu are accepted"), used, most);
    *ret = text;
    return pl_ok();
}

/* --- what is wrong, and where --- */

/* "BkToCstmrStmt/Stmt[2]/Ntry[3]/Amt": the place among siblings of the same name, where there are
 * several. */
static void path_of(const xmlNode *node, char *out, size_t size)
{
    char tail[160] = "";
    while (node != NULL && node->type == XML_ELEMENT_NODE && node->parent != NULL &&
           node->parent->type == XML_ELEMENT_NODE) {
        size_t place = 1;
        const char *name = (const char *)node->name;
        for (const xmlNode *before = node->prev; before != NULL; before = before->prev)
            place += is_named(before, name, strlen(name));
        bool several = place > 1 || camt_xml_next(node) != NULL;
        char joined[160];
        char number[24] = "";
        if (several)
            (void)snprintf(number, sizeof(number), "[%zu]", place);
        (void)snprintf(joined, sizeof(joined), "%.40s%s%s%.90s", name, number,
                       tail[0] == '\0' ? "" : "/", tail);
        memcpy(tail, joined, sizeof(tail));
        node = node->parent;
    }
    (void)snprintf(out, size, "%s", tail);
}

struct pl_status camt_xml_wrong(struct camt_xml *xml, const xmlNode *node,
                                Pledged__V1__Reason reason, const char *format, ...)
{
    char path[160];
    char why[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    path_of(node, path, sizeof(path)); /* empty for the root */
    return failure_set(xml->failure, PL_E_INVALID, reason, path, "%s:%ld: %s%s%s", xml->file,
                       node == NULL ? 0L : xmlGetLineNo(node), path, path[0] == '\0' ? "" : ": ",
                       why);
}
