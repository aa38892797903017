"""`python -m wetread`."""

from wetread.cli import main

raise SystemExit(main())
