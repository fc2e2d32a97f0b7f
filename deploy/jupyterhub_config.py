"""JupyterHub behind the proxy: who the proxy has let in is who the notebook is.

The hub listens inside only, and takes the name from the header that the proxy always sets.
Its image needs an authenticator of that kind: see docs/deployment.md.
"""

c = get_config()  # noqa: F821  (given by JupyterHub)

c.JupyterHub.bind_url = "http://0.0.0.0:8000/jupyter/"
c.JupyterHub.authenticator_class = (
    "jhub_remote_user_authenticator.remote_user_auth.RemoteUserAuthenticator"
)
c.RemoteUserAuthenticator.header_name = "X-Forwarded-User"
c.Authenticator.allow_all = True  # the proxy's password file is the list
