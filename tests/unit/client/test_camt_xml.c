/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what a bank's file may do to the reader is bounded: no document type, no entities, no
 * network, no more depth, elements or bytes than said; texts are cleaned; places have names.
 */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/camt_xml.h"
#include "client/text.h"
#include "common/check.h"

static struct pl_arena arena;
static struct failure failure;
static struct camt_xml xml;

static int fresh(void **state)
{
    (void)state;
    pl_arena_init(&arena, 64 << 20);
    failure = (struct failure){0};
    xml = (struct camt_xml){.file = "f.xml", .arena = &arena, .failure = &failure};
    text_use(TEXT_ENGLISH);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    camt_xml_close(&xml);
    pl_arena_fini(&arena);
    return 0;
}

static struct pl_status open_text(const char *text)
{
    return camt_xml_open(&xml, pl_slice_str(text));
}

static void test_walking(void **state)
{
    (void)state;
    assert_true(pl_is_ok(open_text("<a xmlns='u'><b><c>1</c></b><x/><b><c> two \n words </c></b>"
                                   "<d><![CDATA[<&>]]></d></a>")));
    const xmlNode *root = xmlDocGetRootElement(xml.document);
    const xmlNode *first = camt_xml_child(root, "b");
    const xmlNode *second = camt_xml_next(first);
    const char *text;
    assert_null(camt_xml_next(second));
    assert_null(camt_xml_child(NULL, "b"));
    assert_null(camt_xml_find(root, "b/none/c"));
    assert_true(pl_is_ok(camt_xml_text(&xml, camt_xml_find(root, "b/c"), 10, &text)));
    assert_string_equal(text, "1");
    assert_true(pl_is_ok(camt_xml_text(&xml, camt_xml_child(second, "c"), 10, &text)));
    assert_string_equal(text, "two words");
    assert_true(pl_is_ok(camt_xml_text(&xml, camt_xml_child(root, "d"), 10, &text)));
    assert_string_equal(text, "<&>");
    assert_true(pl_is_ok(camt_xml_text(&xml, NULL, 10, &text)));
    assert_string_equal(text, "");
    assert_int_equal(camt_xml_text(&xml, camt_xml_child(second, "c"), 8, &text).code, PL_E_INVALID);
    assert_string_equal(failure.message, "f.xml:1: b[2]/c: 9 bytes, at most 8 are accepted");
    assert_string_equal(failure.field, "b[2]/c");
}

static void test_no_document_type_whatever_it_says(void **state)
{
    (void)state;
    static const char *const all[] = {
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<!DOCTYPE a PUBLIC 'x' 'http://127.0.0.1:1/x.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a/>",
        "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
    };
    for (size_t i = 0; i < PL_COUNT(all); i++) {
        assert_int_equal(open_text(all[i]).code, PL_E_INVALID);
        assert_non_null(strstr(failure.message, "(DOCTYPE) is not accepted"));
        assert_null(xml.document);
    }
}

static void test_what_is_no_xml(void **state)
{
    (void)state;
    static const char *const all[] = {
        "", " ", "<a>", "<a></b>", "<a>&none;</a>", "<a x=1/>", "<a>\xff</a>", "hello", "<a/><b/>"};
    for (size_t i = 0; i < PL_COUNT(all); i++) {
        if (open_text(all[i]).code != PL_E_INVALID)
            fail_msg("'%s' is taken", all[i]);
        assert_null(xml.document);
    }
}

/* What a clerk can tell the bank; libxml2's own words are only behind it. */
static void test_what_is_wrong_is_said_in_our_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } all[] = {
        {"", ": the file is empty (column "},
        {"hello", "f.xml:1: this is no XML (column 1; libxml2: Start tag expected"},
        {"<a>\n<b>1", "f.xml:2: the file is cut off: it ends within an element (column "},
        {"<a>\n<b", "f.xml:2: the file is cut off"},
        {"<a>\n<b x='", "f.xml:2: the file is cut off"},
        {"<a>\n<!-- b", "f.xml:2: the file is cut off"},
        {"<a></b>",
         "f.xml:1: this is no well-formed XML: an element is closed by the name of another "
         "(column 8; libxml2: Opening and ending tag mismatch: a line 1 and b)"},
        {"<a x=1/>", "f.xml:1: this is no well-formed XML (column "},
        {"<a/><b/>", "f.xml:1: this is no well-formed XML: something follows its end"},
        {"<a>\xff</a>", "the characters are not in the encoding that the file names"},
        {"<?xml version='1.0' encoding='EBCDIC-X'?><a/>",
         "the characters are not in the encoding that the file names"},
        {"<?xml version='1.0' encoding='UTF-8'?><a>Gen\xe8ve</a>",
         "the characters are not in the encoding that the file names"},
    };
    for (size_t i = 0; i < PL_COUNT(all); i++) {
        assert_int_equal(open_text(all[i].text).code, PL_E_INVALID);
        if (strstr(failure.message, all[i].said) == NULL)
            fail_msg("'%s': %s", all[i].text, failure.message);
    }
}

static void test_depth_and_number_are_bounded(void **state)
{
    (void)state;
    struct pl_buf buf;
    pl_buf_init(&buf, CAMT_XML_BYTES_MAX + 100);
    for (int depth = CAMT_XML_DEPTH_MAX; depth <= CAMT_XML_DEPTH_MAX + 1; depth++) {
        pl_buf_clear(&buf);
        for (int i = 0; i < depth; i++)
            assert_true(pl_is_ok(pl_buf_append_str(&buf, "<a>")));
        for (int i = 0; i < depth; i++)
            assert_true(pl_is_ok(pl_buf_append_str(&buf, "</a>")));
        struct pl_status status = camt_xml_open(&xml, pl_buf_slice(&buf));
        assert_int_equal(status.code, depth > CAMT_XML_DEPTH_MAX ? PL_E_INVALID : PL_E_OK);
        camt_xml_close(&xml);
    }
    for (int count = CAMT_XML_ELEMENTS_MAX; count <= CAMT_XML_ELEMENTS_MAX + 1; count++) {
        pl_buf_clear(&buf);
        assert_true(pl_is_ok(pl_buf_append_str(&buf, "<a>")));
        for (int i = 1; i < count; i++)
            assert_true(pl_is_ok(pl_buf_append_str(&buf, "<b/>")));
        assert_true(pl_is_ok(pl_buf_append_str(&buf, "</a>")));
        struct pl_status status = camt_xml_open(&xml, pl_buf_slice(&buf));
        assert_int_equal(status.code, count > CAMT_XML_ELEMENTS_MAX ? PL_E_INVALID : PL_E_OK);
        camt_xml_close(&xml);
    }
    uint8_t *big = calloc(1, CAMT_XML_BYTES_MAX + 1);
    assert_int_equal(camt_xml_open(&xml, pl_slice(big, CAMT_XML_BYTES_MAX + 1)).code, PL_E_TOO_BIG);
    free(big);
    pl_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_walking, fresh, gone),
        cmocka_unit_test_setup_teardown(test_no_document_type_whatever_it_says, fresh, gone),
        cmocka_unit_test_setup_teardown(test_what_is_no_xml, fresh, gone),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_is_said_in_our_words, fresh, gone),
        cmocka_unit_test_setup_teardown(test_depth_and_number_are_bounded, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
