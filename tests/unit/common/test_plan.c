/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: says of every type of the API what its descriptor says; threads that meet a type together
 * get the same plan.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <pthread.h>

#include "common/plan.h"
#include "tests/lib/random_message.h"

static bool is_member(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static void check_step(const ProtobufCMessageDescriptor *type, const struct pl_plan_step *step)
{
    const ProtobufCFieldDescriptor *field = &type->fields[step->first];
    if (step->kind == PL_PLAN_ONEOF) {
        for (unsigned i = step->first; i <= step->last; i++) {
            assert_true(is_member(&type->fields[i]));
            assert_int_equal(type->fields[i].quantifier_offset, step->offset);
        }
        return;
    }
    assert_false(is_member(field));
    assert_int_equal(step->first, step->last);
    assert_int_equal(step->offset, field->offset);
    assert_int_equal(step->kind == PL_PLAN_REPEATED, field->label == PROTOBUF_C_LABEL_REPEATED);
    assert_int_not_equal(step->kind, PL_PLAN_OTHER); /* the API has nothing unusual */
    if (step->kind == PL_PLAN_REPEATED)
        return;
    uint8_t tag[10];
    ProtobufCMessageUnknownField number = {.tag = field->id};
    number.wire_type = step->kind <= PL_PLAN_MESSAGE ? 2 : 0;
    ProtobufCMessage message = PROTOBUF_C_MESSAGE_INIT(type);
    ProtobufCMessageDescriptor empty = *type;
    empty.n_fields = 0;
    message.descriptor = &empty;
    message.n_unknown_fields = 1;
    message.unknown_fields = &number;
    assert_int_equal(protobuf_c_message_pack(&message, tag), step->tag_len);
    assert_memory_equal(tag, step->tag, step->tag_len);
}

static void check_value(const ProtobufCFieldDescriptor *field, const struct pl_plan_value *value)
{
    assert_int_equal(value->offset, field->offset);
    assert_int_equal(value->form, field->label == PROTOBUF_C_LABEL_REPEATED ? PL_PLAN_LIST
                                  : is_member(field)                        ? PL_PLAN_MEMBER
                                                                            : PL_PLAN_SINGLE);
    assert_int_equal(value->kind == PL_PLAN_MESSAGE, field->type == PROTOBUF_C_TYPE_MESSAGE);
    assert_int_equal(value->kind == PL_PLAN_STRING, field->type == PROTOBUF_C_TYPE_STRING);
    if (is_member(field))
        assert_int_equal(value->choice, field->quantifier_offset);
}

static void check_type(const ProtobufCMessageDescriptor *type, int depth)
{
    const struct pl_plan *plan = pl_plan_of(type);
    unsigned fields = 0;
    assert_ptr_equal(plan, pl_plan_of(type));
    assert_ptr_equal(plan->type, type);
    for (unsigned i = 0; i < plan->count; i++) {
        assert_int_equal(plan->step[i].first, fields); /* all of them, in their order */
        check_step(type, &plan->step[i]);
        fields = plan->step[i].last + 1u;
    }
    assert_int_equal(fields, type->n_fields);
    for (unsigned i = 0; i < type->n_fields; i++)
        check_value(&type->fields[i], &plan->value[i]);
    for (uint32_t number = 0; number < 300; number++)
        assert_ptr_equal(pl_plan_field(plan, number),
                         protobuf_c_message_descriptor_get_field(type, number));
    assert_null(pl_plan_field(plan, UINT32_MAX));
    for (unsigned a = 0; a < type->n_fields; a++)
        for (unsigned b = 0; b < type->n_fields; b++)
            assert_int_equal(
                plan->group[a] == plan->group[b],
                a == b || (is_member(&type->fields[a]) && is_member(&type->fields[b]) &&
                           type->fields[a].quantifier_offset == type->fields[b].quantifier_offset));
    for (unsigned i = 0; i < type->n_fields && depth < 6; i++)
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            check_type(type->fields[i].descriptor, depth + 1);
}

static void test_every_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPES; i++)
        check_type(types[i], 0);
}

static void test_a_set_holds_every_field_once(void **state)
{
    (void)state;
    struct pl_plan_set set = {{0}};
    for (unsigned i = 0; i < PL_PLAN_FIELDS_MAX; i += 3)
        assert_true(pl_plan_set_add(&set, i));
    for (unsigned i = 0; i < PL_PLAN_FIELDS_MAX; i++)
        assert_int_equal(pl_plan_set_add(&set, i), i % 3 != 0);
    for (unsigned i = 0; i < PL_PLAN_FIELDS_MAX; i++)
        assert_false(pl_plan_set_add(&set, i));
}

enum { THREADS = 4 };
static pthread_barrier_t start;

static void *ask(void *found)
{
    const struct pl_plan **plan = found;
    (void)pthread_barrier_wait(&start);
    for (size_t i = 0; i < TYPES; i++)
        plan[i] = pl_plan_of(types[i]);
    return NULL;
}

/* Before anything else has asked. */
static void test_elements_lie_side_by_side(void **state)
{
    (void)state;
    static const struct {
        ProtobufCType type;
        size_t bytes;
    } expected[] = {{PROTOBUF_C_TYPE_INT32, sizeof(int32_t)},
                    {PROTOBUF_C_TYPE_ENUM, sizeof(int)},
                    {PROTOBUF_C_TYPE_FLOAT, sizeof(float)},
                    {PROTOBUF_C_TYPE_UINT64, sizeof(uint64_t)},
                    {PROTOBUF_C_TYPE_DOUBLE, sizeof(double)},
                    {PROTOBUF_C_TYPE_BOOL, sizeof(protobuf_c_boolean)},
                    {PROTOBUF_C_TYPE_STRING, sizeof(char *)},
                    {PROTOBUF_C_TYPE_MESSAGE, sizeof(ProtobufCMessage *)},
                    {PROTOBUF_C_TYPE_BYTES, sizeof(ProtobufCBinaryData)}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(pl_plan_element_bytes(expected[i].type), expected[i].bytes);
}

static void test_threads_get_the_same(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    static const struct pl_plan *found[THREADS][TYPES];
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask, found[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (size_t i = 0; i < TYPES; i++) {
        assert_non_null(found[0][i]);
        for (size_t k = 1; k < THREADS; k++)
            assert_ptr_equal(found[k][i], found[0][i]);
    }
    (void)pthread_barrier_destroy(&start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements_lie_side_by_side),
        cmocka_unit_test(test_threads_get_the_same),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_a_set_holds_every_field_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
