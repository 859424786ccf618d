/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_head: see h1_head.h.
 */
#include "server/net/h1_head.h"

#include "common/check.h"

#define FAULT_NONE ((struct h1_fault){NULL, NULL, NULL})

static struct h1_fault fault(const char *status, const char *text)
{
    return (struct h1_fault){status, text, NULL};
}

static struct h1_fault malformed(const char *text)
{
    return fault("400", text);
}

/* --- finding its end --- */

static bool is_control(uint8_t byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

enum h1_scanned h1_scan(struct h1_scan *scan, uint8_t byte)
{
    uint8_t last = scan->last;
    scan->last = byte;
    if (byte == '\n') {
        bool empty = scan->in_line == 0;
        if (last != '\r')
            return H1_BAD;
        scan->in_line = 0;
        if (empty && !scan->any && scan->skipped)
            return H1_BAD;
        if (empty && !scan->any) {
            scan->skipped = true;
            return H1_SKIP;
        }
        return empty ? H1_END : H1_MORE;
    }
    if (last == '\r' || (byte != '\r' && is_control(byte)))
        return H1_BAD;
    if (byte == '\r')
        return scan->any ? H1_MORE : H1_SKIP;
    scan->any = true;
    scan->in_line++;
    return H1_MORE;
}

/* --- characters --- */

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_token(uint8_t c)
{
    return is_alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_target(uint8_t c)
{
    return c > 0x20 && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\';
}

static bool is_authority(uint8_t c)
{
    return is_alnum(c) || (c != 0 && strchr("-._~%:[]", c) != NULL);
}

static bool all(struct pl_slice text, bool (*is)(uint8_t c))
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is(text.data[i]))
            return false;
    }
    return text.len > 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool same_word(struct pl_slice text, const char *word) /* `word` in lower case */
{
    size_t len = strlen(word);
    if (text.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(text.data[i]) != (uint8_t)word[i])
            return false;
    }
    return true;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct pl_slice trimmed(struct pl_slice text)
{
    while (text.len > 0 && is_space(text.data[0]))
        text = pl_slice(text.data + 1, text.len - 1);
    while (text.len > 0 && is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* What stands before `mark`; the rest moves behind it. False: there is none. */
static bool cut(struct pl_slice *rest, uint8_t mark, struct pl_slice *ret)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, mark, rest->len);
    if (at == NULL)
        return false;
    *ret = pl_slice(rest->data, (size_t)(at - rest->data));
    *rest = pl_slice(at + 1, rest->len - ret->len - 1);
    return true;
}

static bool has_word(struct pl_slice list, const char *word) /* of a list with commas */
{
    struct pl_slice item;
    while (cut(&list, ',', &item)) {
        if (same_word(trimmed(item), word))
            return true;
    }
    return same_word(trimmed(list), word);
}

/* --- the first line --- */

static struct h1_fault read_version(struct pl_slice version)
{
    const uint8_t *v = version.data;
    bool form = version.len == 8 && memcmp(v, "HTTP/", 5) == 0 && v[5] >= '0' && v[5] <= '9' &&
                v[6] == '.' && v[7] >= '0' && v[7] <= '9';
    if (!form)
        return malformed("the request line is malformed");
    if (v[5] != '1' || v[7] != '1')
        return fault("505", "HTTP/1.1 or HTTP/2 is spoken here");
    return FAULT_NONE;
}

static struct h1_fault read_method(struct pl_slice method)
{
    static const char *const known[] = {"GET", "HEAD", "POST"};
    if (!all(method, is_token))
        return malformed("the request line is malformed");
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (pl_slice_eq_str(method, known[i]))
            return FAULT_NONE;
    }
    return (struct h1_fault){"405", "this verb is not known here", "GET, HEAD, POST"};
}

static struct h1_fault read_first(struct pl_slice line, struct h1_head *ret)
{
    if (!cut(&line, ' ', &ret->method) || !cut(&line, ' ', &ret->target))
        return malformed("the request line is malformed");
    struct h1_fault found = read_version(line);
    if (found.status == NULL)
        found = read_method(ret->method);
    if (found.status == NULL && !all(ret->target, is_target))
        found = malformed("the target is malformed");
    return found;
}

/* "https://host/path" means what "/path" does, if it means this host. */
static struct h1_fault read_target(bool secure, struct h1_head *head)
{
    static const struct pl_slice root = {(const uint8_t *)"/", 1};
    struct pl_slice scheme = pl_slice_str(secure ? "https://" : "http://");
    struct pl_slice target = head->target;
    if (target.data[0] == '/')
        return FAULT_NONE;
    if (target.len <= scheme.len || !pl_slice_eq(pl_slice(target.data, scheme.len), scheme))
        return malformed("the target must be a path");
    struct pl_slice rest = pl_slice(target.data + scheme.len, target.len - scheme.len);
    const uint8_t *slash = memchr(rest.data, '/', rest.len);
    struct pl_slice host = rest;
    if (slash != NULL)
        host.len = (size_t)(slash - rest.data);
    if (!pl_slice_eq(host, head->authority))
        return malformed("the target and Host do not name the same host");
    head->target = slash == NULL ? root : pl_slice(slash, rest.len - host.len);
    return FAULT_NONE;
}

/* --- the fields --- */

static struct h1_fault read_length(struct pl_slice value, struct h1_head *ret)
{
    if (ret->has_length)
        return malformed("more than one Content-Length");
    if (value.len == 0 || value.len > 18)
        return malformed("Content-Length is malformed");
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return malformed("Content-Length is malformed");
        ret->length = ret->length * 10 + (value.data[i] - '0'); /* 18 digits cannot overflow */
    }
    ret->has_length = true;
    return FAULT_NONE;
}

static struct h1_fault read_host(struct pl_slice value, struct h1_head *ret)
{
    if (ret->authority.data != NULL)
        return malformed("more than one Host");
    if (!all(value, is_authority))
        return malformed("Host is malformed");
    ret->authority = value;
    return FAULT_NONE;
}

static struct h1_fault read_expect(struct pl_slice value, struct h1_head *ret)
{
    if (!same_word(value, "100-continue"))
        return fault("417", "only 100-continue may be expected");
    ret->expect_continue = true;
    return FAULT_NONE;
}

static struct h1_fault understand(const struct stream_field *field, struct h1_head *ret)
{
    if (pl_slice_eq_str(field->name, "content-length"))
        return read_length(field->value, ret);
    if (pl_slice_eq_str(field->name, "transfer-encoding"))
        return same_word(field->value, "chunked")
                   ? fault("411", "say Content-Length: requests in chunks are not taken")
                   : fault("501", "Transfer-Encoding is not known here");
    if (pl_slice_eq_str(field->name, "expect"))
        return read_expect(field->value, ret);
    if (pl_slice_eq_str(field->name, "connection") && has_word(field->value, "close"))
        ret->last = true;
    return FAULT_NONE;
}

static struct h1_fault read_field(struct pl_slice line, struct h1_head *ret)
{
    struct stream_field field;
    if (is_space(line.data[0]))
        return malformed("a folded line");
    field.value = line;
    if (!cut(&field.value, ':', &field.name) || !all(field.name, is_token))
        return malformed("a header line is malformed");
    for (size_t i = 0; i < field.name.len; i++)
        ((uint8_t *)(uintptr_t)field.name.data)[i] = lower(field.name.data[i]);
    field.value = trimmed(field.value);
    if (pl_slice_eq_str(field.name, "host"))
        return read_host(field.value, ret);
    if (ret->field_count == H1_FIELDS_MAX)
        return fault("431", "too many header lines");
    ret->field[ret->field_count++] = field;
    return understand(&field, ret);
}

/* gRPC says how a call ended in trailers, which old clients never see. gRPC-Web is another matter.
 */
static bool is_grpc(const struct h1_head *head)
{
    static const char type[] = "application/grpc";
    size_t len = sizeof(type) - 1;
    for (size_t i = 0; i < head->field_count; i++) {
        struct pl_slice value = head->field[i].value;
        if (!pl_slice_eq_str(head->field[i].name, "content-type") || value.len < len ||
            !same_word(pl_slice(value.data, len), type))
            continue;
        if (value.len == len || value.data[len] == '+' || value.data[len] == ';')
            return true;
    }
    return false;
}

static struct h1_fault check(bool secure, struct h1_head *head)
{
    if (head->authority.data == NULL)
        return malformed("Host is missing");
    struct h1_fault found = read_target(secure, head);
    if (found.status != NULL)
        return found;
    bool post = pl_slice_eq_str(head->method, "POST");
    if (post && !head->has_length)
        return fault("411", "say Content-Length");
    if (!post && head->length > 0)
        return malformed("this verb has no body");
    if (is_grpc(head))
        return fault("505", "gRPC needs HTTP/2; over HTTP/1.1 use the Connect protocol");
    return FAULT_NONE;
}

struct h1_fault h1_parse(uint8_t *bytes, size_t len, bool secure, struct h1_head *ret)
{
    struct pl_slice rest = pl_slice(bytes, len), line;
    struct h1_fault found = FAULT_NONE;
    *ret = (struct h1_head){.has_length = false};
    for (bool first = true; found.status == NULL && cut(&rest, '\n', &line); first = false) {
        if (line.len == 0 || line.data[line.len - 1] != '\r')
            return malformed("a line does not end in CR LF");
        line.len--;
        if (line.len == 0)
            return first ? malformed("the request line is missing") : check(secure, ret);
        found = first ? read_first(line, ret) : read_field(line, ret);
    }
    return found.status != NULL ? found : malformed("the head has no end");
}
