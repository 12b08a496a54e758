package cn.xunyuan

import java.io.File
import java.net.ServerSocket
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.Test

/** What a thief of the phone, or somebody between phone and branch, gets: nothing. */
class SafetyTest {
    private val secret = "灭火器压力不足,已贴封条"

    private fun readable(file: File): Boolean {
        val files = file.parentFile.listFiles { one -> one.name.startsWith(file.name) && one.isFile }!!
        val wanted = secret.toByteArray().toString(Charsets.ISO_8859_1)
        return files.any { wanted in it.readText(Charsets.ISO_8859_1) }
    }

    @Test
    fun anEncryptedReplicaOpensWithItsKeyOnly() = Branch().use { branch ->
        val (key, other) = ByteArray(32) { 7 } to ByteArray(32) { 8 }
        val replica = Replica.enroll(branch.invite("u.pt01"), freshDirectory().path, settings(), key)
        assertTrue(replica.syncOnce(30_000u).isFinished)
        val sheet = replica.startPatrol().document
        replica.note(sheet, "pp.fire.02", secret)
        val file = File(replica.identity().file)
        replica.shut()
        assertFalse(readable(file), "nothing of it can be read in the files")
        for (wrong in listOf(null, other)) {
            assertFailsWith<SyncException.WrongKey> { Replica.open(file.path, settings(), wrong) }
        }
        assertFailsWith<SyncException.Invalid> { Replica.open(file.path, settings(), ByteArray(31)) }
        assertTrue(file.exists(), "a wrong key is no reason to set a file aside")

        changeKey(file.path, key, other, Language.ENGLISH)
        assertFailsWith<SyncException.WrongKey> { Replica.open(file.path, settings(), key) }
        changeKey(file.path, other, null, Language.ENGLISH)
        assertTrue(readable(file), "decrypted")
        assertFailsWith<SyncException.WrongKey> { Replica.open(file.path, settings(), key) }
        changeKey(file.path, null, key, Language.ENGLISH)
        assertFalse(readable(file), "encrypted in place")
        val again = Replica.open(file.path, settings(), key)
        assertFailsWith<SyncException.InUse> { changeKey(file.path, key, null, Language.ENGLISH) }
        assertEquals(secret, again.sheet(sheet).item("pp.fire.02").notes.single().text)
        assertTrue(again.syncOnce(30_000u).isFinished)
        again.shut()
    }

    @Test
    fun aServerWithAnotherKeyGetsNothing() {
        val port = ServerSocket(0).use { it.localPort }
        val branch = Branch(https = true, port = port)
        val link = branch.invite("u.pt01")
        assertTrue("https://" in link && "pin=" in link, link)
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        branch.kill()
        Branch(https = true, port = port).use { stranger ->
            val report = replica.syncOnce(10_000u)
            assertEquals("other_key", report.failureCode)
            assertTrue(!report.isFinished && report.failure!!.isNotEmpty())
            assertTrue(replica.standing().pendingChanges > 0u, "nothing was sent")
            assertFailsWith<SyncException.NotTrusted> { Replica.enroll(link, freshDirectory().path, settings()) }
            stranger.kill()
        }
        branch.start()
        assertTrue(replica.syncOnce(30_000u).isFinished)
        assertEquals(0u, replica.standing().pendingChanges)
        assertEquals(sheet, replica.sheet(sheet).document)
        replica.shut()
        branch.close()
    }
}
