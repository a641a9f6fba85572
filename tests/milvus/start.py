# Becomes a Milvus server. Arguments: the folder of its data, and the port.
import ctypes, os, re, signal, socket, sys
from os.path import join

import milvus

base, port = sys.argv[1:]
# The server ends with the thread that started it, also if that is killed.
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
# The programs are unpacked once, next to the Python, if its folder can be written.
programs = join(sys.prefix if os.access(sys.prefix, os.W_OK) else base, "server")
milvus._initialize_data_files(programs)


class Config(milvus.MilvusServerConfig):
    def try_bind_port(self, port):
        """Takes a port also if connections of an earlier server have not timed out, as the server itself does."""
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            return taken
        except OSError:
            return None


config = Config(data_dir=base, proxy_port=int(port))
# The parts of the server talk to each other on this address. The server listens on all addresses in any case.
config.template_text = re.sub(r"(?m)^(  ip:).*$", r"\1 127.0.0.1", config.template_text)
config.resolve()
binary = join(programs, "bin", "milvus")
environment = dict(
    os.environ,
    DEPLOY_MODE="STANDALONE",
    MILVUS_RUN_DIR=join(base, "run"),
    LD_LIBRARY_PATH=join(programs, "bin"),
)
os.chdir(base)
os.execve(binary, [binary, "run", "standalone"], environment)
