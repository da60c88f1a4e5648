/* SPDX-License-Identifier: MIT */
/* Changes in place: the text that comes out, byte by byte. */
#include "unit.h"

#include "base/mem.h"
#include "mesh/edit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct edit_case {
	const char *text, *want; /* want NULL: -ENOTSUP */
};

static void expect(const struct edit_case *c, int err, const struct buf *out)
{
	if (!c->want) {
		assert_int_equal(err, -ENOTSUP);
		assert_int_equal(out->n, 0);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(buf_str(out), c->want);
}

static void a_key_is_set_where_it_stands(void **state)
{
	static const struct edit_case cases[] = {
		{"nodes:\n  a: {public_key: old, nat: true} # a\n",
			"nodes:\n  a: {public_key: NEW=, nat: true} # a\n"},
		{"nodes:\n  a:\n    public_key: old    # of a\n    nat: true\n",
			"nodes:\n  a:\n    public_key: NEW=    # of a\n    nat: true\n"},
		{"nodes:\n  a:\n    public_key: \"o\\\"ld\"\n",
			"nodes:\n  a:\n    public_key: \"NEW=\"\n"},
		{"nodes:\n  a:\n    public_key: 'o''ld' \n",
			"nodes:\n  a:\n    public_key: 'NEW=' \n"},
		{"nodes:\n  a:\n    public_key:  # to come\n    nat: true\n",
			"nodes:\n  a:\n    public_key: NEW=  # to come\n    nat: true\n"},
		{"nodes:\n  a:\n    # its role\n    role: client\n",
			"nodes:\n  a:\n    # its role\n    public_key: NEW=\n    role: client\n"},
		{"nodes:\r\n  a:\r\n    role: client\r\n",
			"nodes:\r\n  a:\r\n    public_key: NEW=\r\n    role: client\r\n"},
		{"nodes: {a: {role: client}}", "nodes: {a: {public_key: NEW=, role: client}}"},
		{"{\"nodes\": {\"a\": {\"role\": \"client\"}}}",
			"{\"nodes\": {\"a\": {\"public_key\": \"NEW=\", \"role\": \"client\"}}}"},
		{"\xef\xbb\xbfnodes: # \xc3\xa4\n  \"a\": {name: \"\xc3\xa4\", public_key: x}\n",
			"\xef\xbb\xbfnodes: # \xc3\xa4\n  \"a\": {name: \"\xc3\xa4\", public_key: "
			"NEW=}\n"},
		{"nodes:\n  a:\n    public_key: >\n      folded\n", NULL},
		{"nodes:\n  a:\n    public_key: [x]\n", NULL},
		{"nodes:\n  a:\n    public_key: two\n      lines\n", NULL},
		{"nodes:\n  a:\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_BUF out = {0};

		expect(&cases[i],
			mesh_edit_set_key(cases[i].text, strlen(cases[i].text), "a", "NEW=", &out),
			&out);
	}
}

static void a_client_is_added_as_its_neighbours_are_laid_out(void **state)
{
	static const struct edit_case cases[] = {
		{"nodes:\n    a:\n      nat: true\n",
			"nodes:\n    a:\n      nat: true\n    c:\n      role: client\n      "
			"public_key: "
			"K=\n      address: [10.0.0.3, \"fd10::3\"]\n"},
		{"nodes:\n  a:\n    nat: true\n\n  b:\n    nat: true # b\n    # still of b\n\n# "
		 "end\n"
		 "links: []\n",
			"nodes:\n  a:\n    nat: true\n\n  b:\n    nat: true # b\n    # still of "
			"b\n\n"
			"  c:\n    role: client\n    public_key: K=\n    address: [10.0.0.3, "
			"\"fd10::3\"]\n\n# end\nlinks: []\n"},
		{"nodes:\n  a: {nat: true}",
			"nodes:\n  a: {nat: true}\n  c: {role: client, public_key: "
			"K=, address: [10.0.0.3, \"fd10::3\"]}\n"},
		{"nodes: {a: {nat: true}}\n",
			"nodes: {a: {nat: true}, c: {role: client, public_key: "
			"K=, address: [10.0.0.3, \"fd10::3\"]}}\n"},
		{"{\n \"nodes\": {\n  \"a\": {}\n }\n}\n",
			"{\n \"nodes\": {\n  \"a\": {},\n  \"c\": {\"role\": \"client\", "
			"\"public_key\": "
			"\"K=\", \"address\": [\"10.0.0.3\", \"fd10::3\"]}\n }\n}\n"},
		{"nodes: []\n", NULL},
		{"mesh: x\n", NULL},
	};
	static const char *const addresses[] = {"10.0.0.3", "fd10::3"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_BUF out = {0};

		expect(&cases[i],
			mesh_edit_add_client(cases[i].text, strlen(cases[i].text), "c",
				"K=", addresses, 2, &out),
			&out);
	}
}

static void a_node_goes_with_all_that_names_it(void **state)
{
	static const struct edit_case cases[] = {
		{"# top\nnodes:\n  a: {nat: true}\n  # lost\n  b: {nat: true} # b\n    # of b\n  # "
		 "next\n"
		 "  c: {nat: true}\n",
			"# top\nnodes:\n  a: {nat: true}\n  # lost\n  # next\n  c: {nat: true}\n"},
		{"nodes:\n  a:\n    nat: true\n\n  b:\n    networks:\n      - 10.0.0.0/8 # x\n\n"
		 "  c:\n    nat: true\n",
			"nodes:\n  a:\n    nat: true\n\n  c:\n    nat: true\n"},
		{"nodes:\n  a:\n    nat: true\n\n  b:\n    nat:\n",
			"nodes:\n  a:\n    nat: true\n"},
		{"nodes:\n  a: 1\n  b: 2\nlinks:\n  - [a, b] # gone\n  - [a, c]\n  - between: [c, "
		 "b]\n"
		 "    preshared_key_file: /x\n",
			"nodes:\n  a: 1\nlinks:\n  - [a, c]\n"},
		{"nodes:\n  b: 2\n  a: 1\nlinks: [[a, b], {between: [b, c]}]\nmesh: x\n",
			"nodes:\n  a: 1\nmesh: x\n"},
		{"nodes: {b: {}, a: {}}\nlinks:\n- [a, b]\n- [b, c]\n", "nodes: {a: {}}\n"},
		{"{\"nodes\": {\"a\": {}, \"b\": {\"x\": [1, {}]}, \"c\": {}}, \"links\": [[\"a\", "
		 "\"c\"], [\"a\", \"b\"]]}",
			"{\"nodes\": {\"a\": {}, \"c\": {}}, \"links\": [[\"a\", \"c\"]]}"},
		{"{\n  \"nodes\": {\n    \"a\": {},\n    \"b\": {}\n  }\n}\n",
			"{\n  \"nodes\": {\n    \"a\": {}\n  }\n}\n"},
		{"nodes: {\n  a: {}, # of a\n  b: {}\n  }\n",
			"nodes: {\n  a: {}, # of a\n  \n  }\n"},
		{"nodes: {\n  b: {}, # of b\n  a: {}\n  }\n",
			"nodes: {\n   # of b\n  a: {}\n  }\n"},
		{"defaults: {routing: {engine: bird, reflectors: [a, b]}}\nnodes:\n  a: {routing: "
		 "{reflectors: b, asn: 5}}\n  b: {}\n  c:\n    routing: {reflectors: [b]}\n    x: "
		 "1\n",
			"defaults: {routing: {engine: bird, reflectors: [a]}}\nnodes:\n  a: "
			"{routing: "
			"{asn: 5}}\n  c:\n    x: 1\n"},
		{"nodes:\n  a: {default_route: [clients, b]}\n  b: {}\n",
			"nodes:\n  a: {default_route: [clients]}\n"},
		{"nodes:\n  b:\n    nat: true\n  a: 1", "nodes:\n  a: 1"},
		{"nodes:\r\n  a: 1\r\n  b: 2\r\n", "nodes:\r\n  a: 1\r\n"},
		{"nodes:\n  b: {}\n", NULL},
		{"nodes:\n  a: 1\n  b: |\n    text\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_BUF out = {0};
		size_t n_links, n_lists;

		expect(&cases[i],
			mesh_edit_remove_node(cases[i].text, strlen(cases[i].text), "b", &out,
				&n_links, &n_lists),
			&out);
	}
}

static void what_is_touched_is_counted(void **state)
{
	static const char text[] = "nodes: {a: {routing: {asn: 1, reflectors: b}}, b: {}}\n"
				   "links: [[a, b], [c, a], [b, c]]\n";
	AUTO_BUF out = {0};
	size_t n_links = 9, n_lists = 9;

	assert_int_equal(
		mesh_edit_remove_node(text, sizeof(text) - 1, "b", &out, &n_links, &n_lists), 0);
	assert_int_equal(n_links, 2);
	assert_int_equal(n_lists, 1);
}

static void errors_have_their_numbers(void **state)
{
	static const char text[] = "nodes: {a: {}}\n";
	AUTO_BUF out = {0};
	size_t x, y;

	assert_int_equal(mesh_edit_set_key(text, sizeof(text) - 1, "b", "K", &out), -ENOENT);
	assert_int_equal(mesh_edit_remove_node(text, sizeof(text) - 1, "b", &out, &x, &y), -ENOENT);
	assert_int_equal(
		mesh_edit_add_client(text, sizeof(text) - 1, "a", "K", NULL, 0, &out), -EEXIST);
	assert_int_equal(mesh_edit_set_key("{", 1, "b", "K", &out), -EINVAL);
	assert_true(mesh_edit_has_node(text, sizeof(text) - 1, "a"));
	assert_false(mesh_edit_has_node(text, sizeof(text) - 1, "b"));
	assert_false(mesh_edit_has_node("{", 1, "a"));
	assert_int_equal(out.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_set_where_it_stands),
		cmocka_unit_test(a_client_is_added_as_its_neighbours_are_laid_out),
		cmocka_unit_test(a_node_goes_with_all_that_names_it),
		cmocka_unit_test(what_is_touched_is_counted),
		cmocka_unit_test(errors_have_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
