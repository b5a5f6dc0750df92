def refused(error, call, *args, **kwargs):
    """The call ends with an error of this very class."""
    try:
        call(*args, **kwargs)
    except Exception as raised:
        assert type(raised) is error, repr(raised)
    else:
        raise AssertionError('%s was not refused with %s' % (call.__name__, error.__name__))
