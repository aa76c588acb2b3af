#!/bin/bash
# A SOP Instance UID that two images share, and a DICOMDIR made of them (PS3.10, 8):
# each of three makers leaves one image out and ends as if it had both. pydicom 2.3.1:
# FileSet.add() of the second gives back the instance of the first, without a word, and
# write() does not copy it. DCMTK 3.6.7: dcmmkdir warns that a record exists already,
# and its status is 0. GDCM 3.0.21: gdcmgendir says nothing, its status is 0, and
# which of the two it takes hangs on the order in which the folder gives them. A CD
# made of a folder in which a scanner or a converter gave a UID twice lacks an image,
# and two makers do not agree which.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 \
	libgdcm-tools=3.0.21-1 libgdcm3.0=3.0.21-1 python3-pydicom=2.3.1-1 \
	>/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic \
	PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
dcmmkdir --version >/dev/null 2>&1 && gdcmgendir --version >/dev/null 2>&1 || exit 77

cat >make.py <<'EOP'
import copy
import os
import sys
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian

meta = FileMetaDataset()
meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
meta.MediaStorageSOPInstanceUID = "1.2.3.4"
meta.TransferSyntaxUID = ExplicitVRLittleEndian
one = FileDataset("", {}, b"\0" * 128, meta)
one.is_little_endian, one.is_implicit_VR = True, False
for name, value in dict(SOPClassUID=meta.MediaStorageSOPClassUID,
        SOPInstanceUID="1.2.3.4", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.5",
        StudyDate="20260101", StudyTime="120000", AccessionNumber="1", Modality="OT",
        PatientID="P", PatientName="P", StudyID="1", SeriesNumber="1",
        InstanceNumber="1", Rows=1, Columns=2, BitsAllocated=8, BitsStored=8,
        HighBit=7, SamplesPerPixel=1, PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2", PixelData=b"\1\2").items():
    setattr(one, name, value)
two = copy.deepcopy(one)
two.PixelData = b"\3\4"
os.mkdir("in")
one.save_as("in/IM1", write_like_original=False)
two.save_as("in/IM2", write_like_original=False)
files = FileSet()
first, second = files.add(one), files.add(two)
print("pydicom: add gives the first instance again:", first is second)
files.write("out")
print("pydicom: images written:", [i.load().PixelData for i in FileSet("out/DICOMDIR")])
EOP
python3 -W ignore make.py >seen 2>/dev/null || exit 77

named() {		# named DICOMDIR: the files that it names
	dcmdump -q +P 0004,1500 "$1" | sed -n 's/.*\[\(.*\)\].*/\1/p' | sed 's/ *$//'
}
cd in || exit 77
dcmmkdir +D ../dcmtk.1 IM1 IM2 2>../said
echo "dcmmkdir: $?, $(named ../dcmtk.1); $(sed 's/^W: //' ../said)" >>../seen
dcmmkdir +D ../dcmtk.2 IM2 IM1 2>/dev/null
echo "dcmmkdir, the other way round: $?, $(named ../dcmtk.2)" >>../seen
cd ..
gdcmgendir -o gdcm -i in >said 2>&1
echo "gdcmgendir: $?, $(named gdcm | grep -c .) of 2; $(grep -ci 'exist\|twice\|duplicate' \
	said) words about it" >>seen
cat seen
cmp -s seen - <<'EOP'
pydicom: add gives the first instance again: True
pydicom: images written: [b'\x01\x02']
dcmmkdir: 0, IM1; file IM2: directory record for this SOP instance already exists
dcmmkdir, the other way round: 0, IM2
gdcmgendir: 0, 1 of 2; 0 words about it
EOP
