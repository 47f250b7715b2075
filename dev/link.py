"""A link that carries a right for a room, made with the settings of the stack."""

import os

from processes import environment

from frontend import links

if __name__ == "__main__":
    env = environment()
    os.environ.update(env | {"PORT": env["PAGE_PORT"]})
    links.main()
