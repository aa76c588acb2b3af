#!/bin/sh
# Nothing of an image's headers and names gets into a mail or log (R67, F32):
# canaries in every text element, in member names and in the EDC's text columns.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
PYTHON=/usr/bin/python3
dicom_samples
world

# Uploads of all kinds, sound and broken; each with canaries of its own.
$PYTHON - "$WORK/source/subjecteventcrffile/301/5101/mri_zip" <<'PY'
import io, os, sys, tarfile, warnings, zipfile
warnings.simplefilter("ignore")
import bare
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.dataset import Dataset

TEXT = {"AE": 16, "AS": 0, "CS": 16, "LO": 60, "LT": 60, "PN": 60, "SH": 16,
        "ST": 60, "UC": 60, "UR": 60, "UT": 60}
where = sys.argv[1]
os.makedirs(where, exist_ok=True)


def plant(ds, n):
    for e in list(ds):
        if e.VR == "SQ":
            for item in e.value:
                plant(item, n)
        elif TEXT.get(e.VR) and e.tag.group > 2 and e.keyword != "SpecificCharacterSet":
            e.value = ("CANARY^%d" % n)[:TEXT[e.VR]]


def dicom(n, name="CT_small.dcm"):
    ds = dcmread(get_testdata_file(name))
    for k in ("PatientName", "PatientID", "PatientComments", "StudyDescription",
              "SeriesDescription", "ProtocolName", "OtherPatientNames",
              "AccessionNumber", "InstitutionName", "OperatorsName"):
        setattr(ds, k, "CANARY^%d" % n)
    item = Dataset()
    item.PatientID = "CANARY^%d" % n
    ds.OtherPatientIDsSequence = Sequence([item])
    plant(ds, n)
    out = io.BytesIO()
    ds.save_as(out, write_like_original=True)
    return out.getvalue()


def put(i, data):
    with open(os.path.join(where, "u%d.zip" % i), "wb") as f:
        f.write(data)


def archive(members, **kw):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            z.writestr(name, data)
        z.comment = b"CANARY-comment"
    return out.getvalue()


whole = dicom(1)
good = archive([("CANARY-dir/CANARY-%d.dcm" % i, dicom(i)) for i in range(3)] +
               [("CANARY.txt", b"CANARY text"), ("__MACOSX/._CANARY", b"CANARY")])
put(3001, good)
put(3002, good[:-40])					# directory cut off
put(3003, archive([("CANARY.dcm", whole[:600])]))	# header cut off
put(3004, archive([("CANARY.zip", good)]))		# nested
put(3005, whole)					# bare
put(3006, whole[:700])
flipped = bytearray(good)
flipped[200] ^= 255					# CRC or stream broken
put(3007, bytes(flipped))
enc = bytearray(archive([("CANARY.dcm", whole)]))
enc[6] |= 1						# claims to be encrypted
enc[enc.rindex(b"PK\1\2") + 8] |= 1
put(3008, bytes(enc))
put(3009, archive([("../CANARY.dcm", whole), ("/CANARY/\x1b[31m.dcm", whole)]))
put(3010, b"CANARY text that is no archive")
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w:gz") as t:
    info = tarfile.TarInfo("CANARY/CANARY.dcm")
    info.size = len(whole)
    t.addfile(info, io.BytesIO(whole))
put(3011, tar.getvalue())
twice = dcmread(io.BytesIO(whole))
twice.add_new((0x0012, 0x0071), "LO", "CANARY^stamp")
out = io.BytesIO()
twice.save_as(out, write_like_original=True)
put(3012, archive([("CANARY.dcm", out.getvalue())]))
mixed = dicom(2, "MR_small.dcm")
i = mixed.index(b"CANARY")
put(3013, archive([("CANARY.dcm", mixed[:i] + b"\xff\xfe\x00\x1b" + mixed[i:])]))
PY
sql "update edc.event set label = 'CANARY-label'; update edc.ddcrf set label =
    'CANARY-label'; update edc.ddfile set label = 'CANARY-label'"
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id,
    ddfile_id, revisionnumber, version_code, extension)
    select i, 5101, 21, 1, 'u' || i, '.zip' from generate_series(3001, 3013) i"

{ seq 3001 3013; echo '{"CANARY": "in a line"}'; echo 'CANARY, not an id'; } |
    imgp-run -v >finished.jsonl 2>run.err
is "$(wc -l <finished.jsonl)" 15 'every upload has its line'
is "$(sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'")" 13 \
    'every upload is delivered'
[ "$(sql 'select count(*) from pipeline.edcpipelinefileerrorlog')" -ge 6 ]
ok $? 'and many are delivered with errors'
imgp-digest >digest.out 2>digest.err
imgp-digest --format html --since 1h >page.html
imgp-status >status.out
imgp-status --csv >status.csv
imgp-status 3002 3003 3012 >history.out
sql "select * from pipeline.edcpipelinefileerrorlog" >errorlog.rows
sql "select message from pipeline.outbox" >outbox.rows
find mail -type f -exec cat {} + >mails
$PYTHON -c 'import quopri, sys
sys.stdout.buffer.write(quopri.decodestring(open("mails", "rb").read()))' >mails.decoded
find source/image_pipelines -type f -exec cat {} + >logs
for f in run.err digest.out digest.err page.html status.out status.csv \
    history.out errorlog.rows outbox.rows mails mails.decoded logs; do
	unlike $f CANARY "no canary in $f (R67)"
done
is "$(find source/image_pipelines images mail -name '*CANARY*' | wc -l)" 0 'nor in a name'
[ -s mails ] && [ -s logs ]
ok $? 'there was something to look at'
is "$(cat mails logs run.err status.out | tr -d '[:print:]\n' | wc -c)" 0 'all of it is printable (R65)'
jq -c 'del(.input)' finished.jsonl >lines
unlike lines '"[^"]*CANARY\^' 'no header value in a job line'
done_testing
