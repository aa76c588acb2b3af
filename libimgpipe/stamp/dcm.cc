#include <cstdlib>
#include <cstring>
#include <new>

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcdict.h"
#include "dcmtk/dcmdata/dcelem.h"
#include "dcmtk/dcmdata/dcfilefo.h"
#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dcmtk/dcmdata/dcxfer.h"
#include "dcmtk/oflog/oflog.h"

#include "libimgpipe/stamp/dcm.h"

extern "C" void
imgp_dcm_init(void)
{
	try {
		OFLog::configure(OFLogger::OFF_LOG_LEVEL);
		/* A path that cannot exist: from an empty file DCMTK would read
		 * uninitialized memory. */
		setenv("DCMDICTPATH", "/dev/null/none", 1);
		dcmDataDict.isDictionaryLoaded();
	} catch (...) {
		/* Reading says so, if it comes to that. */
	}
}

extern "C" const char *
imgp_dcm_version(void)
{
	return "DCMTK " OFFIS_DCMTK_VERSION_STRING;
}

/*
 * What DCMTK may ask for in one call, freed or not.  A header of the length that
 * it is given takes a third of that; one that it misreads may claim gigabytes.
 */
static const std::size_t most = static_cast<std::size_t>(128) << 20;
static thread_local std::size_t asked;
static thread_local bool is_counted, too_much;

void *
operator new(std::size_t n)
{
	if (is_counted && (n > most || (asked += n) > most)) {
		too_much = true;
		throw std::bad_alloc();
	}
	if (void *p = std::malloc(n == 0 ? 1 : n))
		return p;
	throw std::bad_alloc();
}

/* As the library's own would; a sanitizer's would not go with what frees. */
void *
operator new(std::size_t n, const std::nothrow_t &) noexcept
{
	try {
		return operator new(n);
	} catch (const std::bad_alloc &) {
		return NULL;
	}
}

void
operator delete(void *p) noexcept
{
	std::free(p);
}

void
operator delete(void *p, std::size_t) noexcept
{
	std::free(p);
}

/* Called in a handler: the answer for what was thrown. */
static int
caught(void)
{
	try {
		throw;
	} catch (const std::bad_alloc &) {
		return too_much ? IMGP_DCM_LIMIT : IMGP_DCM_MEMORY;
	} catch (...) {
		return IMGP_DCM_UNREADABLE;
	}
}

/* The same for what DCMTK returns. */
static int
refused(const OFCondition &c)
{
	if (c == EC_MemoryExhausted)
		throw std::bad_alloc();
	return IMGP_DCM_UNREADABLE;
}

static int
get(const void *buf, size_t len, uint32_t tag, char *value, size_t size)
{
	const DcmTagKey key(static_cast<Uint16>(tag >> 16),
	    static_cast<Uint16>(tag & 0xffff));
	const DcmTagKey stop(static_cast<Uint16>((tag + 1) >> 16),
	    static_cast<Uint16>((tag + 1) & 0xffff));
	DcmInputBufferStream in;
	DcmFileFormat file;
	DcmElement *elem = NULL;
	Uint8 *bytes = NULL;
	OFCondition c;
	OFString s;
	size_t n;

	in.setBuffer(buf, static_cast<offile_off_t>(len));
	in.setEos();
	file.transferInit();
	c = file.readUntilTag(in, EXS_Unknown, EGL_noChange, DCM_MaxReadLength,
	    stop);
	file.transferEnd();
	if (c.bad() && c != EC_StreamNotifyClient && c != EC_EndOfStream)
		return refused(c);
	c = file.getDataset()->findAndGetElement(key, elem);
	if (c == EC_MemoryExhausted)
		return refused(c);
	if (c.bad())
		return 0;
	if (!elem->isaString()) {
		/* Implicit and private: its VR is unknown. */
		c = elem->getUint8Array(bytes);
		if (c.good() && bytes != NULL)
			s.assign(reinterpret_cast<const char *>(bytes),
			    elem->getLength());
	} else
		c = elem->getOFStringArray(s);
	while (!s.empty() && s[0] == ' ')	/* no part of the value */
		s.erase(0, 1);
	n = s.length();
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\0'))
		n--;
	if (c.bad() || n >= size)
		return refused(c);
	std::memcpy(value, s.c_str(), n);
	value[n] = '\0';
	return 1;
}

extern "C" int
imgp_dcm_value(const void *buf, size_t len, uint32_t tag, char *value,
    size_t size)
{
	int rc;

	asked = 0;
	too_much = false;
	is_counted = true;
	try {
		rc = get(buf, len, tag, value, size);
	} catch (...) {
		rc = caught();
	}
	is_counted = false;
	return rc;
}
