"""What the benches share: corpora, interleaved runs, medians and ratios.

Commands are run in turn, with sync before each, so that what is compared ran
under the same load, and in another order each round, as what follows a long
command finds the processor slower; a figure is a median.  CPU is user + system time of the
command and its children, memory the largest resident set among them.
"""
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
BUILD = os.environ.get('BUILD', os.path.join(ROOT, '.build'))
BIN = os.path.join(BUILD, 'bin')

# name: instances, columns, rows, frames, private bytes
CORPORA = {
    'PET': (600, 400, 400, 1, 0),
    'CT': (300, 512, 512, 1, 0),
    'MR': (1000, 192, 192, 1, 11264),
    'SMALL': (2000, 112, 112, 1, 11264),
    'TINY': (150, 112, 112, 1, 11264),
    'ENH': (1, 512, 512, 1000, 0),
}


def tool(name):
    return os.path.join(BIN, name)


def have(name):
    return any(os.access(os.path.join(d, name), os.X_OK)
               for d in os.environ['PATH'].split(':'))


def scratch():
    """A directory with room, removed at the end: BENCH_DIR, else TMPDIR."""
    return tempfile.TemporaryDirectory(
        prefix='imgp-bench.', dir=os.environ.get('BENCH_DIR'))


def corpus(where, name, level='-6'):
    """Make the corpus's files below where/name/dcm, and its zip."""
    maker = os.path.join(BUILD, 'bench', 'corpus')
    top = os.path.join(where, name)
    os.makedirs(os.path.join(top, 'dcm'))
    subprocess.run([maker, os.path.join(top, 'dcm')] +
                   [str(n) for n in CORPORA[name]], check=True)
    subprocess.run(['zip', level, '-q', '-r', '../in.zip', '.'],
                   cwd=os.path.join(top, 'dcm'), check=True)
    return top


class Piped(list):
    """A command that reads stdin and writes stdout, files' names: without a
    shell, which would be counted with it."""

    def __init__(self, command, stdin=os.devnull, stdout=os.devnull):
        super().__init__(command)
        self.stdin, self.stdout = stdin, stdout


def run(command, cwd=None):
    """Wall seconds, CPU seconds, peak memory in MB of one command."""
    if not isinstance(command, Piped):
        command = Piped(command)
    os.sync()
    start = time.monotonic()
    with open(command.stdin, 'rb') as i, open(command.stdout, 'wb') as o:
        child = subprocess.Popen(command, cwd=cwd, stdin=i, stdout=o)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit('%r: status %d' % (command, child.returncode))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def alone():
    """Go on in a network namespace with nothing but a loopback, where root.

    It has a second address: with 127.0.0.1 alone, getaddrinfo(3) finds no host for
    those that ask with AI_ADDRCONFIG, as Slurm does.
    """
    if os.geteuid() != 0 or 'BENCH_ALONE' in os.environ:
        return
    os.environ['BENCH_ALONE'] = '1'
    os.execvp('unshare', ['unshare', '-n', 'sh', '-c',
                          'ip link set lo up && ip address add 127.0.0.2/8 dev lo && '
                          'exec "$0" "$@"'] + sys.argv)


def s3_settings(where, endpoint):
    """This process's environment for three buckets at ${endpoint}, ours and
    the peers'; its directory is ${where}."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(('AWS_', 'IMGP_'))}
    env.update(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID='imgptest',
               AWS_SECRET_ACCESS_KEY='imgptestsecret', AWS_REGION='us-east-1',
               AWS_DEFAULT_REGION='us-east-1', HOME=where,
               AWS_EC2_METADATA_DISABLED='true', IMGP_SOURCE='s3://imgp-src',
               IMGP_TEMP='s3://imgp-tmp', IMGP_DESTINATION='s3://imgp-dst',
               IMGP_SPOOL=os.path.join(where, 'spool'),
               RCLONE_CONFIG_R_TYPE='s3', RCLONE_CONFIG_R_PROVIDER='Ceph',
               RCLONE_CONFIG_R_ENV_AUTH='true', RCLONE_CONFIG='/dev/null',
               RCLONE_CONFIG_R_ENDPOINT=endpoint)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(where)


@contextlib.contextmanager
def gateway(where):
    """Ceph's gateway with the three buckets, and the settings for it; its
    URL."""
    server = os.path.join(where, 'server')
    script = os.path.join(ROOT, 'scripts', 's3-server')
    env = subprocess.run([script, 'start', server, 'rgw'], check=True,
                         capture_output=True, text=True).stdout
    url = env.split('AWS_ENDPOINT_URL=')[1].split()[0]
    try:
        s3_settings(where, url)
        os.environ['CEPH_CONF'] = os.path.join(server, 'ceph.conf')
        for bucket in ('src', 'tmp', 'dst'):
            subprocess.run(
                ['/usr/bin/python3',
                 os.path.join(ROOT, 'tests', 'lib', 's3-ask.py'),
                 'PUT', 'imgp-' + bucket], check=True)
        yield url
    finally:
        subprocess.run([script, 'stop', server], check=True)


def note(about, seen):
    """Tell tests/bench/all, if it asks, every run's figures."""
    if 'BENCH_NOTES' in os.environ:
        with open(os.environ['BENCH_NOTES'], 'a', encoding='utf-8') as out:
            out.write(json.dumps({'bench': os.path.basename(sys.argv[0]),
                                  'about': about, 'runs': seen}) + '\n')


def rounds(commands, n, before=None, about=''):
    """{label: (wall, cpu, rss)} medians of n interleaved rounds; ${about} is
    what they work on."""
    seen = {label: [] for label, _ in commands}
    for k in range(n):
        for label, command in random.Random(k).sample(commands,
                                                      len(commands)):
            if before is not None:
                before()
            seen[label].append(run(command))
    note(about, seen)
    return {label: tuple(statistics.median(x) for x in zip(*runs))
            for label, runs in seen.items()}


def row(label, m, extra=''):
    print('  %-34s %8.3f s wall %8.3f s CPU %7.1f MB  %s' %
          (label, m[0], m[1], m[2], extra))
    sys.stdout.flush()


def goal(text, value, bound, at_least=True):
    met = value >= bound if at_least else value <= bound
    print('    %-46s %8.4g  wanted %s %g: %s' %
          (text, value, '>=' if at_least else '<=', bound,
           'met' if met else 'NOT MET'))
    sys.stdout.flush()
