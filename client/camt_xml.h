/* SPDX-License-Identifier: Apache-2.0
 *
 * camt_xml: a file from a bank as a tree of elements, or a failure with file, path and line.
 *
 * The file comes from outside: a document type declaration ends the reading where it stands (so
 * there are no entities to expand and nothing to fetch), depth and number of elements are limited,
 * and libxml2 gets neither network nor files. One thread; one document at a time.
 */
#ifndef CLIENT_CAMT_XML_H
#define CLIENT_CAMT_XML_H

#include <libxml/tree.h>

#include "client/failure.h"
#include "common/arena.h"
#include "common/slice.h"

enum {
    CAMT_XML_BYTES_MAX = 16 << 20,
    CAMT_XML_DEPTH_MAX = 40,
    CAMT_XML_ELEMENTS_MAX = 500000,
};

struct camt_xml {
    const char *file;        /* as the user named it; for messages */
    struct pl_arena *arena;  /* of what is handed out */
    struct failure *failure; /* what is wrong */
    xmlDoc *document;        /* owned by whoever opened it */
};

/* INVALID: not well-formed, has a DOCTYPE, too deep, too many elements. Close also after a failure.
 */
PL_MUST_CHECK struct pl_status camt_xml_open(struct camt_xml *xml, struct pl_slice bytes);
void camt_xml_close(struct camt_xml *xml);

/* First child of that name (next sibling of that name); NULL: there is none. Names are compared
 * without their namespace: the root's says which version the document has. */
const xmlNode *camt_xml_child(const xmlNode *parent, const char *name);
const xmlNode *camt_xml_next(const xmlNode *node);
/* "Acct/Id/IBAN" from here; NULL as soon as a step is missing. */
const xmlNode *camt_xml_find(const xmlNode *from, const char *path);

/* Text of an element, blanks at the ends gone and others single; NULL node: "". Longer than `most`
 * bytes: INVALID. */
PL_MUST_CHECK struct pl_status camt_xml_text(struct camt_xml *xml, const xmlNode *node, size_t most,
                                             const char **ret);

/* A failure about this element: "FILE:LINE: PATH: why". */
__attribute__((format(printf, 4, 5))) PL_MUST_CHECK struct pl_status
camt_xml_wrong(struct camt_xml *xml, const xmlNode *node, Pledged__V1__Reason reason,
               const char *format, ...);

#endif
