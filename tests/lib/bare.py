"""import bare, then pydicom: without what it loads to download files, which takes
longer than the rest."""
import sys
import types

download = types.ModuleType("pydicom.data.download")
download.__getattr__ = lambda name: None
sys.modules[download.__name__] = download
