"""A site that reads its user and a few rows, on whatever database and cache its environment names."""

# Pure Python: mysqlclient, which Django asks for, has no wheels for Linux and would want a compiler and headers.
try:
    import pymysql
except ImportError:
    pass
else:
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
