"""`python -m avro_sql` is the command `avro-sql`."""

import sys

from ._command import main

sys.exit(main())
