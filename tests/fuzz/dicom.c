/* PKGS: libcjson zlib */
/*
 * libFuzzer: two bytes that choose chunks, limits and the stamp, then an object.
 * The walker says the same however the bytes come; what it notes lies where
 * they are; and an id that is put where it says is what is read then, in the
 * same object (R58, R60).
 * make fuzz-dicom [FUZZ_SECONDS=60]
 */
#include "libimgpipe/dicom/dicom.h"
#include "tests/fuzz/fuzz.h"

static const struct imgp_dicom_want wants[] = {
	{ IMGP_TAG_SERIES_ID, NULL, ~0u },
	{ IMGP_TAG(0x0013, 0x0010), "ATRI", 0 },
	{ IMGP_TAG(0x0020, 0x4000), NULL, 0 },
	{ IMGP_TAG(0x0009, 0x0001), "GEMS_IDEN_01", 0 },
};

/* Each chunk in memory of its own: reading past it is seen. */
static void
walk(struct imgp_dicom *d, const struct imgp_dicom_want *want,
    const struct imgp_dicom_limits *lim, const uint8_t *p, size_t size,
    unsigned int how)
{
	size_t n, k = 0;
	uint8_t *chunk;

	imgp_dicom_init(d, want, lim);
	for (; size > 0; p += n, size -= n) {
		n = how == 0 ? size : how == 1 ? 1 : (how * 7 + k++ * 13) % 41;
		if (n > size)
			n = size;
		chunk = malloc(n + (n == 0));
		must(chunk != NULL);
		memcpy(chunk, p, n);
		imgp_dicom_feed(d, chunk, n);
		free(chunk);
	}
	must(imgp_dicom_end(d) != IMGP_DICOM_MORE);
}

static void
must_be_same(const struct imgp_dicom *a, const struct imgp_dicom *b)
{
	const struct imgp_dicom_elem *x, *y;
	int i;

	must(a->state == b->state);
	if (a->state == IMGP_DICOM_BAD)
		must(strcmp(a->err.code, b->err.code) == 0 &&
		    strcmp(a->err.msg, b->err.msg) == 0);
	if (a->state != IMGP_DICOM_HEAD)
		return;
	must(a->kind == b->kind && strcmp(a->syntax, b->syntax) == 0 &&
	    a->preamble == b->preamble && a->meta == b->meta &&
	    a->implicit == b->implicit && a->big == b->big &&
	    a->deflated == b->deflated && a->mismatch == b->mismatch &&
	    a->nested_bad == b->nested_bad &&
	    a->disordered == b->disordered && a->data == b->data &&
	    a->head == b->head && a->is_signed == b->is_signed &&
	    a->at_pixels == b->at_pixels && a->tail_lost == b->tail_lost &&
	    a->shape == b->shape && a->late == b->late);
	for (i = 0; i < IMGP_DICOM_ELEMENTS; i++) {
		x = &a->elem[i];
		y = &b->elem[i];
		must(x->tag == y->tag && x->present == y->present &&
		    x->off == y->off && x->end == y->end);
		if (x->present)
			must(x->len == y->len && x->kept == y->kept &&
			    memcmp(x->value, y->value, x->kept) == 0);
	}
}

/* What is noted is where it is said to be, in order. */
static void
must_fit(const struct imgp_dicom *d, const uint8_t *p, size_t size)
{
	const struct imgp_dicom_elem *el;
	char uid[IMGP_UID_MAX + 1];
	int i, n = 0;

	for (i = 0; i < IMGP_DICOM_ASIDE; i++) {
		el = &d->elem[i];
		if (el->tag == 0)
			continue;
		must(el->off >= d->data && el->off <= el->end &&
		    el->end <= d->head);
		must(el->present ? el->end - el->off >= (uint64_t)el->len + 8 :
		    el->off == el->end);
		if (!el->present || d->deflated)
			continue;
		must(el->end <= size && memcmp(p + el->end - el->len,
		    el->value, el->kept) == 0);
	}
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++)
		n += imgp_dicom_uid(d, (enum imgp_dicom_which)i, uid) == 0;
	must(d->kind != IMGP_DICOM_INSTANCE || n == 4);
	must(d->deflated || d->head <= size);
}

/* Put ${len} bytes of an element in place of ${el}, ${*shift} further on. */
static void
put(uint8_t *new, size_t *size, const struct imgp_dicom_elem *el,
    const unsigned char *code, size_t len, size_t *shift)
{
	size_t at = (size_t)el->off + *shift, del = (size_t)(el->end - el->off);

	memmove(new + at + len, new + at + del, *size - at - del);
	memcpy(new + at, code, len);
	*size += len - del;
	*shift += len - del;
}

static void
stamp(const struct imgp_dicom *d, const struct imgp_dicom_want *want,
    const struct imgp_dicom_limits *lim, const uint8_t *p, size_t size)
{
	const struct imgp_dicom_elem *center = &d->elem[IMGP_DICOM_CENTER];
	const struct imgp_dicom_elem *creator = &d->elem[IMGP_DICOM_CREATOR];
	const struct imgp_dicom_elem *id = &d->elem[IMGP_DICOM_ID], *first;
	struct imgp_dicom_limits more = *lim;
	struct imgp_dicom again;
	unsigned char code[256];
	char a[IMGP_UID_MAX + 1], b[IMGP_UID_MAX + 1];
	uint8_t *new = malloc(size + 3 * sizeof code);
	size_t n = size, shift = 0;
	int i;

	must(new != NULL);
	memcpy(new, p, size);
	first = center->tag != 0 ? center : creator->tag != 0 ? creator : NULL;
	if (first != NULL && (first->present || first->off > id->off))
		first = NULL;
	if (first != NULL)
		put(new, &n, first, code, imgp_dicom_code(d, first->tag, "LO",
		    want->creator == NULL ? "" : want->creator,
		    want->creator == NULL ? 0 : strlen(want->creator), code),
		    &shift);
	if (creator->tag != 0 && !creator->present && first == NULL)
		goto out;	/* disordered: mark.c sorts, we do not */
	put(new, &n, id, code, imgp_dicom_code(d, id->tag, "LO", "77.12", 5,
	    code), &shift);
	more.head += 4096;
	more.elements += 5;
	walk(&again, want, &more, new, n, 2);
	must(again.state == IMGP_DICOM_HEAD &&
	    again.kind == IMGP_DICOM_INSTANCE && again.data == d->data);
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++) {
		imgp_dicom_uid(d, (enum imgp_dicom_which)i, a);
		must(imgp_dicom_uid(&again, (enum imgp_dicom_which)i,
		    b) == 0 && strcmp(a, b) == 0);
	}
	must(imgp_dicom_text(&again, IMGP_DICOM_ID, a, sizeof a) == 5 &&
	    strcmp(a, "77.12") == 0);
	imgp_dicom_release(&again);
out:
	free(new);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_dicom_limits lim = imgp_dicom_limits;
	const struct imgp_dicom_want *want;
	static struct imgp_dicom a, b;

	if (size < 2 || size > 1 << 16)
		return 0;
	want = &wants[data[0] >> 6];
	if (data[1] & 1)
		lim = (struct imgp_dicom_limits){ 4, 60, 6, 3, 3000, 50, 1000 };
	walk(&a, want, &lim, data + 2, size - 2, 0);
	walk(&b, want, &lim, data + 2, size - 2, 1);
	must_be_same(&a, &b);
	imgp_dicom_release(&b);
	walk(&b, want, &lim, data + 2, size - 2, 2u + (data[0] & 63));
	must_be_same(&a, &b);
	imgp_dicom_release(&b);
	if (a.state == IMGP_DICOM_HEAD) {
		must_fit(&a, data + 2, size - 2);
		if (a.kind == IMGP_DICOM_INSTANCE && !a.deflated)
			stamp(&a, want, &lim, data + 2, size - 2);
	}
	imgp_dicom_release(&a);
	return 0;
}
