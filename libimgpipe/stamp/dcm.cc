#include <cstdlib>
#include <cstring>

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
		/* No file can be there; in an empty one DCMTK reads what was
		 * never written. */
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
		return -1;
	if (file.getDataset()->findAndGetElement(key, elem).bad())
		return 0;
	if (!elem->isaString()) {
		/* Implicit and private: nobody knows its VR. */
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
		return -1;
	std::memcpy(value, s.c_str(), n);
	value[n] = '\0';
	return 1;
}

extern "C" int
imgp_dcm_value(const void *buf, size_t len, uint32_t tag, char *value,
    size_t size)
{
	try {
		return get(buf, len, tag, value, size);
	} catch (...) {		/* whatever it was, it could not be read */
		return -1;
	}
}
